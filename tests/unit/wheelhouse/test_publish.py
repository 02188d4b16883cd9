"""What goes to an index, in which order, and what is said of it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("twine", reason="the wheel extra is not installed")

from bundler.errors import BuildError, BundlerError, FetchError, UsageError
from bundler.wheelhouse import index_files
from bundler.wheelhouse.index_files import list_files
from bundler.wheelhouse.publish import libraries_first, publish
from bundler.wheelhouse.repository import Repository
from bundler.wheelhouse.with_twine import check_with_twine
from tests.support.making_wheels import wheel

pytestmark = pytest.mark.usefixtures("clean_environment")

SECRET = "S3cret-word"


@dataclass
class Host:
    """An index that answers as it is told; what was posted and with which authorization."""

    url: str = ""
    upload_status: int = 200
    location: str = ""
    listing: bytes = b'{"files": []}'
    kind: str = "application/json"
    endless: bool = False
    posted: list[str] = field(default_factory=list)
    authorized: set[str] = field(default_factory=set)


@pytest.fixture
def host() -> Iterator[Host]:
    told = Host()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.authorized.add(self.headers.get("Authorization", ""))
            self.send_response(200)
            self.send_header("Content-Type", told.kind)
            self.end_headers()
            self.wfile.write(told.listing)
            while told.endless:
                self.wfile.write(b" " * 65536)

        def do_POST(self) -> None:
            told.authorized.add(self.headers.get("Authorization", ""))
            self.rfile.read(int(self.headers["Content-Length"]))
            told.posted.append(self.path)
            self.send_response(told.upload_status)
            if told.location:
                self.send_header("Location", told.location)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

        def handle(self) -> None:
            # Whoever asked may have had enough.
            with contextlib.suppress(OSError):
                super().handle()

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told.url = f"http://127.0.0.1:{server.server_port}/"
        yield told
        told.endless = False
        server.shutdown()


def with_password(url: str) -> str:
    return url.replace("//", f"//bob:{SECRET}@")


def names(folder: Path, *files: str) -> list[str]:
    for file in files:
        (folder / file).touch()
    return [path.name for path in libraries_first([folder / file for file in files])]


def test_libraries_go_up_before_the_package_that_requires_them(tmp_path: Path) -> None:
    package = "big_one-1.0-cp311-cp311-linux_x86_64.whl"
    library = "big_one_lib-1.0-py3-none-any.whl"
    second = "big_one_lib_2-1.0-py3-none-any.whl"
    assert names(tmp_path, package, second, library) == [library, second, package]


def test_a_package_whose_own_name_ends_in_lib_is_not_a_library(tmp_path: Path) -> None:
    assert names(tmp_path, "my_lib-1.0-py3-none-any.whl", "a-1.0-py3-none-any.whl") == [
        "a-1.0-py3-none-any.whl",
        "my_lib-1.0-py3-none-any.whl",
    ]


@pytest.mark.parametrize("name", ["a.whl", "a.tar.gz", "a-1.0-py3-none-any.zip", "-.whl", "a b"])
def test_what_is_not_a_distribution_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="is neither a wheel nor a sdist"):
        names(tmp_path, name)


def test_only_regular_files_are_uploaded(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a-1.0-py3-none-any.whl")
    with pytest.raises(UsageError, match="is neither a wheel nor a sdist"):
        libraries_first([tmp_path / "a-1.0-py3-none-any.whl"])


def test_credentials_in_a_url_are_used_and_not_shown(tmp_path: Path, host: Host) -> None:
    repository = Repository(with_password(host.url))
    publish([wheel(tmp_path, {"demo.py": ""})], repository)
    assert host.posted == ["/"]
    assert len(host.authorized) == 1
    assert host.authorized != {""}
    assert repository.shown == host.url
    assert SECRET not in repository.upload_url + repository.simple_url


@pytest.mark.parametrize("more", [[], ["--json"]])
@pytest.mark.parametrize("status", [200, 403, 0])
def test_a_password_is_nowhere_in_what_the_command_says(
    tmp_path: Path, host: Host, status: int, more: list[str]
) -> None:
    host.upload_status = status or 200
    url = with_password(host.url if status else "http://127.0.0.1:9/")
    file = wheel(tmp_path, {"demo.py": ""})
    finished = subprocess.run(
        [
            sys.executable, "-m", "bundler", "wheel", "publish", file, "--repository", url,
            "--untested", *more,
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )  # fmt: skip
    assert (finished.returncode == 0) == (status == 200), finished.stderr
    said = finished.stdout + finished.stderr
    assert host.url.rstrip("/") in said or "127.0.0.1:9" in said
    assert SECRET not in said
    assert "\x1b" not in said
    if status == 200 and more:
        assert json.loads(finished.stdout)["repository"] == host.url


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_an_upload_that_is_sent_to_another_host_is_refused(
    tmp_path: Path, host: Host, status: int
) -> None:
    elsewhere: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            elsewhere.append(self.headers.get("Authorization", ""))
            self.send_response(200)
            self.end_headers()

        do_GET = do_POST  # noqa: N815

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host.upload_status = status
        host.location = f"http://localhost:{server.server_port}/"
        with pytest.raises(BuildError, match=r"The upload to .* failed"):
            publish([wheel(tmp_path, {"demo.py": ""})], Repository(with_password(host.url)))
        server.shutdown()
    assert elsewhere == []


@pytest.mark.parametrize(
    ("listing", "kind"),
    [
        (b"", "application/json"),
        (b"[]", "application/json"),
        (b'{"files": 3}', "application/json"),
        (b'{"files": [{"filename": 3}]}', "application/json"),
        (b'{"files": [{"hashes": {}}]}', "application/json"),
        (b"[" * 100_000, "application/json"),
    ],
)
def test_what_is_not_a_list_of_files_is_named(host: Host, listing: bytes, kind: str) -> None:
    host.listing, host.kind = listing, kind
    with pytest.raises(FetchError, match="its answer is not a list of files"):
        list_files(["demo"], Repository(host.url))


def test_lists_of_both_kinds(host: Host) -> None:
    digest = "a" * 64
    host.listing = json.dumps(
        {"files": [{"filename": "a.whl", "hashes": {"sha256": digest}}, {"filename": "b.whl"}]}
    ).encode()
    assert list_files(["demo"], Repository(host.url)) == {"a.whl": digest, "b.whl": ""}
    host.kind = "text/html"
    host.listing = f"<a href='x/a.whl#sha256={digest}'>a</a> <a href = \"b%2B1.whl\">b</a>".encode()
    assert list_files(["demo"], Repository(host.url)) == {"a.whl": digest, "b+1.whl": ""}


def test_an_endless_list_ends(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.endless = True
    monkeypatch.setattr(index_files, "_LARGEST", 1 << 20)
    with pytest.raises(FetchError, match="it answered more than 1 MiB"):
        list_files(["demo"], Repository(host.url))
    monkeypatch.setattr(index_files, "_LARGEST", 1 << 60)
    monkeypatch.setattr(index_files, "_SECONDS", 0.2)
    with pytest.raises(FetchError, match=r"no whole answer within 0\.2 s"):
        list_files(["demo"], Repository(host.url))


@pytest.mark.parametrize(
    "name",
    [
        "", "-x", "--config-file", "a b", "a\nb", "../x", "file:///x", "ftp://host/", "http://",
        "http://[", "http://host:port/", "http://host/a\nb", "javascript://host/",
    ],
)  # fmt: skip
def test_repositories_that_are_none(name: str) -> None:
    with pytest.raises(UsageError):
        Repository(name)


@pytest.mark.parametrize("text", ["", "[x", "[mine]\n", "[mine]\nrepository = file:///x\n", "\0"])
def test_a_pypirc_without_the_repository(tmp_path: Path, text: str) -> None:
    config = tmp_path / "pypirc"
    config.write_text(text)
    with pytest.raises(UsageError):
        _ = Repository("mine", config=config).upload_url


def test_a_module_in_the_current_folder_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = wheel(tmp_path / "wheels", {"demo.py": ""})
    for module in ("twine", "runpy"):
        (tmp_path / f"{module}.py").write_text("open('MARK', 'w')\nraise SystemExit(3)\n")
    monkeypatch.chdir(tmp_path)
    try:
        check_with_twine([file])
    except BundlerError as error:
        assert "refused" in error.found
    assert not (tmp_path / "MARK").exists()
