"""What a lock names that is not a wheel: brought to this machine, ready to be built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.pylock import Package, PackageArchive, PackageDirectory, PackageSdist, PackageVcs

from bundler.errors import UsageError
from bundler.lock.fetch import download_of, fetch
from bundler.lock.pylock import Lock
from bundler.lock.resolve import wheel_tags
from bundler.session import Session
from bundler.support.files import digest_of
from bundler.wheels.git import clone
from bundler.wheels.trees import subfolder, tree_digest


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
    tree is not a project, or the lock names a place that is not in it.
    """
    version = str(package.version) if package.version is not None else None
    name, folder = str(package.name), lock.folder
    stated = lock.table.get("created")
    created = stated if isinstance(stated, str) else None
    published = tuple(wheel_tags(package))
    if isinstance(picked, PackageDirectory):
        tree = subfolder(folder / picked.path, picked.subdirectory, name)
        return Source(name, version, tree, tree_digest(tree), created, published)
    if isinstance(picked, PackageVcs):
        tree = subfolder(clone(name, picked, session, indexes), picked.subdirectory, name)
        digest = digest_of(f"{picked.url}@{picked.commit_id}#{picked.subdirectory}".encode())
        return Source(name, version, tree, digest, created, published)
    if isinstance(picked, PackageArchive) and picked.subdirectory is not None:
        raise UsageError(
            f"The archive of {name} is to be built in its folder {picked.subdirectory!r}.",
            "Expected the project at the root of the archive.",
            "Name its git repository with #subdirectory=, or a folder of this machine.",
        )
    download = download_of(name, picked, folder)
    path = fetch([download], session, indexes=indexes)[0]
    return Source(name, version, path, picked.hashes["sha256"], created, published)
