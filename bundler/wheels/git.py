"""Commits of git repositories, fetched into the cache.

A URL and a commit come from a lock, perhaps a stranger's: git knows URLs that run commands.
"""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.pylock import PackageVcs

from bundler.errors import FetchError, UsageError, not_cached
from bundler.session import Session
from bundler.support.cache import remove_unless_folder
from bundler.support.files import digest_of, whole_folder
from bundler.support.index import index_settings
from bundler.support.process import run, stop

_SECONDS = 600.0
_LARGEST = 4 << 30
_MOST = 200_000
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_PROTOCOLS = ("https", "http", "ssh", "git", "file")


def clone(name: str, picked: PackageVcs, session: Session, indexes: Sequence[str] = ()) -> Path:
    """The tree of ``picked``, which the lock has for the package ``name``, in the cache.

    ``indexes`` are index URLs whose credentials hold for the repository's host too. No credentials
    are kept with the tree. Raises UsageError if the lock's URL or commit is not one, FetchError if
    it could not be fetched in time or is too large.
    """
    url, user = _without_user(_checked_url(name, picked))
    if not _COMMIT.fullmatch(picked.commit_id):
        raise _unfit(name, f"the commit {picked.commit_id[:80]!r}", "40 or 64 hexadecimal digits")
    place = session.cache.path("sources", digest_of(url.encode()), picked.commit_id)
    if place.is_dir() and not place.is_symlink():
        return place
    if session.offline:
        raise not_cached(f"the clone of {name}")
    remove_unless_folder(place)
    environment = _environment(url, user, indexes)
    with session.progress.task(f"Cloning {name}"), whole_folder(place) as temporary:
        here = ["git", "-C", str(temporary)]
        for command in (
            ["git", "clone", "--quiet", "--no-checkout", "--template=", "--", url, str(temporary)],
            [*here, "cat-file", "-e", f"{picked.commit_id}^{{commit}}"],
        ):
            _run(command, environment, name, url, picked)
        _check_size(here, picked.commit_id, name)
        checkout = [*here, "checkout", "--quiet", "--detach", picked.commit_id, "--"]
        _run(checkout, environment, name, url, picked)
        shutil.rmtree(temporary / ".git" / "hooks", ignore_errors=True)
    return place


def _checked_url(name: str, picked: PackageVcs) -> str:
    if picked.type != "git":
        raise _unfit(name, f"the repository type {picked.type[:80]!r}", "git")
    url = picked.url if picked.url is not None else Path(picked.path or "").resolve().as_uri()
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urlsplit(""), ""
    sound = parts.scheme in _PROTOCOLS and url.isascii() and url.isprintable() and " " not in url
    named = bool(host) != (parts.scheme == "file")
    if not sound or not named or host.startswith("-") or (parts.username or "").startswith("-"):
        raise _unfit(name, f"the URL {url[:200]!r}", f"one of {', '.join(_PROTOCOLS)}")
    return url


def _without_user(url: str) -> tuple[str, tuple[str, str] | None]:
    """``url`` as it may be kept, and the user and password that were in it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.username:
        return url, None
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return bare, (unquote(parts.username), unquote(parts.password or ""))


def _environment(url: str, user: tuple[str, str] | None, indexes: Sequence[str]) -> dict[str, str]:
    """Variables for git: it asks nobody, runs no helper that a URL names, and is authorized.

    Neither the command line nor the clone's configuration shows the credentials.
    """
    parts = urlsplit(url)
    environment = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": ":".join(_PROTOCOLS)}
    environment |= {"GIT_LFS_SKIP_SMUDGE": "1"}
    if parts.scheme in ("http", "https") and user is None and parts.hostname:
        user = index_settings().credentials(parts.hostname, indexes)
    if user is not None:
        token = base64.b64encode(":".join(user).encode()).decode()
        environment |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{parts.scheme}://{parts.netloc}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {token}",
        }
    return environment


def _run(
    command: Sequence[str], environment: dict[str, str], name: str, url: str, picked: PackageVcs
) -> None:
    try:
        finished = run(command, env=environment, timeout=_SECONDS)
        said = finished.stderr.strip()[:1000]
        failed = finished.returncode != 0
    except subprocess.TimeoutExpired:
        said, failed = f"git did not end within {_SECONDS:g} seconds", True
    if failed:
        raise FetchError(
            f"{name} could not be cloned from {url}: {said or 'git gives no reason'}",
            f"The lock has commit {picked.commit_id}.",
            "Check the URL and the credentials.",
        )


def _check_size(here: Sequence[str], commit: str, name: str) -> None:
    """Raise FetchError if the files of ``commit`` take too much space: one blob may be many."""
    command = [*here, "ls-tree", "-r", "-l", "-z", "--full-tree", commit]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    size = count = 0
    rest = b""
    try:
        while block := process.stdout.read(1 << 16):
            *rows, rest = (rest + block).split(b"\0")
            for row in rows:
                length = row.split(b"\t")[0].split()[-1]
                size, count = size + (int(length) if length.isdigit() else 0), count + 1
            if size > _LARGEST or count > _MOST:
                raise FetchError(
                    f"The repository of {name} has more than {_LARGEST >> 30} GiB or {_MOST:,} "
                    "files.",
                    "Expected the source of one project.",
                    "Build its wheel yourself, and name the wheel in the requirements.",
                )
    finally:
        process.stdout.close()
        if process.poll() is None:
            stop(process)


def _unfit(name: str, found: str, expected: str) -> UsageError:
    return UsageError(
        f"{name} has {found} in the lock.",
        f"Expected {expected}.",
        "Check who made the lock, and make it again with `bundle lock`.",
    )
