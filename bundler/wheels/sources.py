"""What a lock names that is not a wheel: brought to this machine, ready to be built."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from packaging.pylock import Package, PackageArchive, PackageDirectory, PackageSdist, PackageVcs

from bundler.errors import FetchError, UsageError, not_cached
from bundler.lock.fetch import download_of, fetch
from bundler.lock.pylock import Lock
from bundler.lock.resolve import wheel_tags
from bundler.session import Session
from bundler.support.files import digest_of, sha256_of, whole_folder
from bundler.support.index import index_settings
from bundler.support.process import run

_CLONE_SECONDS = 600.0
_NOT_SOURCE = {".git", ".hg", ".tox", ".nox", ".venv", "__pycache__"}
_BUILT = {"build", "dist"}


@dataclass(frozen=True, slots=True)
class Source:
    """An sdist file or a source tree at ``path``; ``digest`` is a SHA-256 of what it holds.

    ``version`` is None for a tree whose build decides it; ``created`` is the RFC 3339 time of the
    lock, which bounds the build tools; ``published`` lists the tags of the wheels that the index
    has for this release, for messages.
    """

    name: str
    version: str | None
    path: Path
    digest: str
    created: str | None = None
    published: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name and version for people."""
        return f"{self.name} {self.version}" if self.version else f"{self.name} ({self.path})"


def obtain_source(
    package: Package,
    picked: PackageSdist | PackageArchive | PackageDirectory | PackageVcs,
    lock: Lock,
    session: Session,
    *,
    indexes: Sequence[str] = (),
) -> Source:
    """Bring ``picked``, what ``lock`` has for ``package``, to this machine.

    ``indexes`` are as for `fetch`. Raises FetchError if it could not be fetched, UsageError if a
    local tree is not a project.
    """
    version = str(package.version) if package.version is not None else None
    name, folder = str(package.name), lock.folder
    stated = lock.table.get("created")
    created = stated if isinstance(stated, str) else None
    published = tuple(wheel_tags(package))
    if isinstance(picked, PackageDirectory):
        tree = (folder / picked.path / (picked.subdirectory or "")).resolve()
        return Source(name, version, tree, tree_digest(tree), created, published)
    if isinstance(picked, PackageVcs):
        tree = _clone(name, picked, session, indexes=indexes)
        tree = tree / (picked.subdirectory or "")
        digest = digest_of(f"{picked.url}@{picked.commit_id}#{picked.subdirectory}".encode())
        return Source(name, version, tree, digest, created, published)
    download = download_of(name, picked, folder)
    path = fetch([download], session, indexes=indexes)[0]
    return Source(name, version, path, picked.hashes["sha256"], created, published)


def tree_digest(tree: Path) -> str:
    """A SHA-256 over the names and bytes of a source tree, without what builds leave behind."""
    if not (tree / "pyproject.toml").is_file() and not (tree / "setup.py").is_file():
        raise UsageError(
            f"{tree} is not a Python project.",
            "Expected a folder with pyproject.toml or setup.py.",
            "Change the path in the requirements.",
        )
    digest = hashlib.sha256()
    for file in sorted(_files(tree, _BUILT)):
        digest.update(f"{file.relative_to(tree)}\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


def _files(folder: Path, leftovers: Collection[str] = ()) -> Iterator[Path]:
    for child in folder.iterdir():
        if child.name in {*_NOT_SOURCE, *leftovers} or child.name.endswith(".egg-info"):
            continue
        if child.is_dir() and not child.is_symlink():
            yield from _files(child)
        elif child.is_file():
            yield child


def _clone(
    name: str,
    picked: PackageVcs,
    session: Session,
    *,
    indexes: Sequence[str],
) -> Path:
    url = picked.url or Path(picked.path or "").resolve().as_uri()
    place = session.cache.path("sources", digest_of(url.encode()), picked.commit_id)
    if place.is_dir():
        return place
    if session.offline:
        raise not_cached(f"the clone of {name}")
    with session.progress.task(f"Cloning {name}"), whole_folder(place) as temporary:
        clone = ["git", "clone", "--quiet", "--no-checkout", _with_credentials(url, indexes)]
        clone.append(str(temporary))
        checkout = ["git", "-C", str(temporary), "checkout", "--quiet", picked.commit_id]
        for command in (clone, checkout):
            finished = run(command, env={"GIT_TERMINAL_PROMPT": "0"}, timeout=_CLONE_SECONDS)
            if finished.returncode != 0:
                raise FetchError(
                    f"{name} could not be cloned from {url}: {finished.stderr.strip()}",
                    f"The lock has commit {picked.commit_id}.",
                    "Check the URL and the credentials.",
                )
        shutil.rmtree(temporary / ".git" / "hooks", ignore_errors=True)
    return place


def _with_credentials(url: str, indexes: Sequence[str]) -> str:
    parts = urlsplit(url)
    found = None
    if parts.scheme in ("http", "https") and parts.hostname and not parts.username:
        found = index_settings().credentials(parts.hostname, indexes)
    if found is None:
        return url
    user, password = (quote(word, safe="") for word in found)
    return parts._replace(netloc=f"{user}:{password}@{parts.netloc}").geturl()
