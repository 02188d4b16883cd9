from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundler.cli.options import pairs
from bundler.containers.engine import engine, proxies
from bundler.containers.image_build import ImageOptions, build_image
from bundler.containers.log import build_log
from bundler.containers.recipes import recipes
from bundler.errors import BuildError, UsageError
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.wheelhouse.repository import Repository


def test_every_image_has_a_recipe_and_a_readme() -> None:
    folder = Path(__file__).parents[3] / "build_images"
    assert recipes() == [
        "debian",
        "manylinux2014_x86_64",
        "manylinux_2_28_aarch64",
        "manylinux_2_28_x86_64",
    ]
    for name in recipes():
        assert f"bundle image build {name}" in (folder / name / "README.md").read_text()


def test_an_unknown_image_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Unknown build image 'gentoo'") as caught:
        build_image("gentoo", Session(Cache(tmp_path)))
    assert "debian" in caught.value.expected


def test_options_of_the_debian_image_are_refused_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not take --from"):
        build_image(
            "manylinux2014_x86_64", Session(Cache(tmp_path)), ImageOptions(pythons=("3.8",))
        )


@pytest.fixture
def answers_html(tmp_path: Path) -> Iterator[str]:
    """A socket where something answers that is no engine."""
    path = tmp_path / "odd.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops")
            connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"unix://{path}"
    listener.close()


def test_something_else_answers(answers_html: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", answers_html)
    with pytest.raises(BuildError, match="No container engine answers at unix://"), engine():
        pass


def test_podmans_socket_is_found_without_dockers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from bundler.containers import engine as module

    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(module, "_DOCKER_SOCKET", tmp_path / "none.sock")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "podman").mkdir()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "podman" / "podman.sock"))
    listener.close()
    with pytest.raises(BuildError, match=r"answers at unix://.*/podman/podman\.sock"), engine():
        pass


def test_proxies_in_both_spellings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    assert proxies() == {"https_proxy": "http://proxy:3128", "HTTPS_PROXY": "http://proxy:3128"}


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (
            ["a.c:3:10: fatal error: x.h: No such file or directory", "compilation terminated.",
             "ERROR: Failed building wheel for x"],
            "a.c:3:10: fatal error: x.h: No such file or directory",
        ),
        (
            ["Traceback", "ModuleNotFoundError: No module named 'numpy'",
             "error: subprocess-exited-with-error", "note: This error originates from a sub"],
            "ModuleNotFoundError: No module named 'numpy'",
        ),
        (["one", "two"], "two"),
        ([], ""),
    ],
)  # fmt: skip
def test_the_line_that_says_why(lines: list[str], reason: str, tmp_path: Path) -> None:
    with build_log("x", "Building", Session(Cache(tmp_path))) as log:
        for line in lines:
            log.line(f"\x1b[31m{line}\x1b[0m\r")
        assert log.reason == reason
        assert log.path.read_text().splitlines() == lines


@pytest.mark.parametrize(
    ("upload", "simple"),
    [
        ("https://upload.example.org/legacy/", "https://example.org/simple/"),
        ("https://test.example.org/legacy/", "https://test.example.org/simple/"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080/simple/"),
        ("http://example.org/team/dev", "http://example.org/team/dev/simple/"),
    ],
)
def test_the_index_of_an_upload_address(upload: str, simple: str) -> None:
    assert Repository(upload).simple_url == simple


def test_name_and_value_pairs() -> None:
    assert pairs(["A=1", "B=x=y", "C="], "--env") == {"A": "1", "B": "x=y", "C": ""}
    with pytest.raises(UsageError, match="--env 'A' is not NAME=VALUE"):
        pairs(["A"], "--env")
