"""The content-addressed cache: wheels as files, and what is made from them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock

from bundler.support.files import fault


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
        # Flink and Java lie there, and start in another folder.
        root = Path(given).absolute() if given else platformdirs.user_cache_path("flink-bundler")
        return cls(root)

    def path(self, kind: str, key: str, name: str) -> Path:
        """Where the file or folder ``name`` of ``key`` lies, whether or not it exists."""
        return self.root / kind / key[:2] / key / name

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
