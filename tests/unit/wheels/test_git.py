"""Commits that a lock names: of real repositories, and of those that a stranger would name."""

from __future__ import annotations

import base64
import functools
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from packaging.pylock import PackageVcs

from bundler.errors import BundlerError, FetchError, UsageError
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.wheels import git
from bundler.wheels.git import clone

pytestmark = [
    pytest.mark.skipif(shutil.which("git") is None, reason="clones: needs git"),
    pytest.mark.usefixtures("clean_environment"),
]

SECRET = "s3cr3t-pw"
NO_COMMIT = "0" * 40


def run(*command: str | Path) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.check_output(["git", *command], text=True, env=environment).strip()


@pytest.fixture
def commit(tmp_path: Path) -> str:
    """A bare repository ``repo.git`` with one commit, servable by any web server; that commit."""
    work = tmp_path / "work"
    run("init", "-q", work)
    (work / "pyproject.toml").write_text("[project]\nname = 'leaf'\n")
    (work / "-x").write_text("a name like an option\n")
    run("-C", work, "add", "-A")
    who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    run("-C", work, *who, "commit", "-q", "-m", "one")
    run("clone", "-q", "--bare", work, tmp_path / "repo.git")
    run("-C", tmp_path / "repo.git", "update-server-info")
    return run("-C", work, "rev-parse", "HEAD")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """Serves the repository to ``joe`` with the password `SECRET` only; host and port."""
    expected = "Basic " + base64.b64encode(f"joe:{SECRET}".encode()).decode()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != expected:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="x"')
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def vcs(url: str, commit_id: str = NO_COMMIT, kind: str = "git") -> PackageVcs:
    return PackageVcs(type=kind, url=url, commit_id=commit_id)


@pytest.fixture
def session(tmp_path: Path) -> Session:
    return Session(Cache(tmp_path / "cache"))


def test_a_commit_is_checked_out_once(tmp_path: Path, commit: str, session: Session) -> None:
    picked = vcs((tmp_path / "repo.git").as_uri(), commit)
    tree = clone("leaf", picked, session)
    assert (tree / "pyproject.toml").is_file()
    assert (tree / "-x").is_file()
    shutil.rmtree(tmp_path / "repo.git")
    assert clone("leaf", picked, session) == tree


def test_what_is_in_the_place_of_a_kept_clone_is_replaced(
    tmp_path: Path, commit: str, session: Session
) -> None:
    picked = vcs((tmp_path / "repo.git").as_uri(), commit)
    tree = clone("leaf", picked, session)
    shutil.rmtree(tree)
    tree.symlink_to(tmp_path / "work")
    assert clone("leaf", picked, session) == tree
    assert not tree.is_symlink()
    shutil.rmtree(tree)
    tree.write_text("")
    assert (clone("leaf", picked, session) / "pyproject.toml").is_file()


@pytest.mark.parametrize("given", ["url", "index", "netrc"])
def test_credentials_are_used_and_never_kept(
    tmp_path: Path,
    commit: str,
    host: str,
    session: Session,
    given: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    user = f"joe:{SECRET}@" if given == "url" else ""
    indexes = [f"http://joe:{SECRET}@{host}/simple"] if given == "index" else []
    if given == "netrc":
        netrc = tmp_path / "netrc"
        netrc.write_text(f"machine 127.0.0.1 login joe password {SECRET}\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
    tree = clone("leaf", vcs(f"http://{user}{host}/repo.git", commit), session, indexes)
    assert (tree / "pyproject.toml").is_file()
    encoded = base64.b64encode(f"joe:{SECRET}".encode())
    for file in session.cache.root.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file
            assert encoded not in file.read_bytes(), file


def test_a_password_is_in_no_error(host: str, commit: str, session: Session) -> None:
    wrong = SECRET + "-wrong"
    with pytest.raises(FetchError, match="could not be cloned") as caught:
        clone("leaf", vcs(f"http://joe:{wrong}@{host}/repo.git", commit), session)
    assert wrong not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c 'touch MARK'",
        "ext::sh%20-c%20touch%20MARK",
        "--upload-pack=touch MARK",
        "-u",
        "fd::17/foo",
        "user@host:repo.git",
        "ssh://-oProxyCommand=touch%20MARK/x",
        "ssh://-oProxyCommand=x@host/x",
        "http://[/x",
        "http://host:port/x",
        "http:///x",
        "file://host/x",
        "https://host/a\nb",
        "https://host/a b",
        "ftp://host/x",
        "",
    ],
)
def test_urls_that_are_none_or_run_something(
    url: str, session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="leaf has the URL"):
        clone("leaf", vcs(url), session)
    assert not (tmp_path / "MARK").exists()


@pytest.mark.parametrize(
    "commit_id",
    ["", "main", "-x", "--upload-pack=x", "../" * 8 + "x", "0" * 39, "0" * 41, "A" * 40],
)
def test_commits_that_are_none(commit_id: str, session: Session) -> None:
    with pytest.raises(UsageError, match="leaf has the commit"):
        clone("leaf", vcs("https://host/x", commit_id), session)


def test_other_systems_are_named(session: Session) -> None:
    with pytest.raises(UsageError, match="repository type 'hg'"):
        clone("leaf", vcs("https://host/x", kind="hg"), session)


def test_a_commit_that_is_not_there(tmp_path: Path, commit: str, session: Session) -> None:
    with pytest.raises(FetchError, match="could not be cloned"):
        clone("leaf", vcs((tmp_path / "repo.git").as_uri()), session)
    assert not [path for path in session.cache.root.rglob("*") if path.is_file()]


@pytest.mark.parametrize(("limit", "value"), [("_LARGEST", 3), ("_MOST", 1)])
def test_what_a_commit_holds_is_bounded(
    tmp_path: Path,
    commit: str,
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: int,
) -> None:
    monkeypatch.setattr(git, limit, value)
    with pytest.raises(BundlerError, match="The repository of leaf has more than"):
        clone("leaf", vcs((tmp_path / "repo.git").as_uri(), commit), session)


def test_a_clone_that_takes_too_long_is_an_error(
    tmp_path: Path, commit: str, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(git, "_SECONDS", 0.0001)
    with pytest.raises(FetchError, match="did not end within"):
        clone("leaf", vcs((tmp_path / "repo.git").as_uri(), commit), session)
