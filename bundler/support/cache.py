"""The content-addressed cache: wheels as files, and what is made from them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock

from bundler.errors import UsageError
from bundler.support.files import fault, whole_file

_KEY = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder tree ``<root>/<kind>/<key[:2]>/<key>/<name>``; keys are SHA-256 in hexadecimal.

    Write through `bundler.support.files.whole_file` or `whole_folder`, so that a reader never sees
    half a file and processes that race do the work twice at worst.
    """

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """The user's cache: ``BUNDLE_CACHE`` if set, else the platform's cache folder."""
        given = os.environ.get("BUNDLE_CACHE")
        # Flink and Java are kept there, and start in another folder.
        root = Path(given).absolute() if given else platformdirs.user_cache_path("flink-bundler")
        return cls(root)

    def path(self, kind: str, key: str, name: str) -> Path:
        """The place of the file or folder ``name`` of ``key``, whether or not it exists.

        Raises UsageError if ``key`` is not 64 hexadecimal digits or ``name`` is not one file name:
        both may come from a lock that a stranger wrote.
        """
        if not _KEY.fullmatch(key) or not _NAME.fullmatch(name) or name in (".", ".."):
            raise UsageError(
                f"{name!r} with the hash {key!r} has no place in the cache.",
                "Expected a file name and a SHA-256 of 64 hexadecimal digits.",
                "Check the lock, or make it again with `bundle lock`.",
            )
        return self.root / kind / key[:2] / key / name

    def keep_file(self, source: Path, place: Path) -> Path:
        """Copy the file ``source`` to ``place``, which `path` gave; the place.

        A folder or link that is there instead of a file is removed: nothing of this program made
        it. Raises UsageError or BuildError when the cache cannot be written.
        """
        remove_unless_file(place)
        with whole_file(place) as temporary:
            shutil.copyfile(source, temporary)
        return place

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the machine-wide lock ``name``, for work too expensive to do twice at once.

        Raises UsageError or BuildError when the cache cannot be written.
        """
        path = self.root / "locks" / f"{name}.lock"
        held = FileLock(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.acquire()
        except OSError as error:
            raise fault(error, path) from error
        try:
            yield
        finally:
            held.release()


def is_kept(place: Path) -> bool:
    """Whether a regular file, not a link to one, is at ``place``."""
    return place.is_file() and not place.is_symlink()


def remove_unless_folder(place: Path) -> None:
    """Remove a file, link or other thing at ``place`` that is not a folder.

    Raises UsageError or BuildError if it cannot be removed.
    """
    try:
        if place.is_symlink() or (place.exists() and not place.is_dir()):
            place.unlink()
    except OSError as error:
        raise fault(error, place) from error


def remove_unless_file(place: Path) -> None:
    """Remove a folder, link or other thing at ``place`` that is not a regular file.

    Raises UsageError or BuildError if it cannot be removed.
    """
    try:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        elif place.is_symlink() or (place.exists() and not place.is_file()):
            place.unlink()
    except OSError as error:
        raise fault(error, place) from error
