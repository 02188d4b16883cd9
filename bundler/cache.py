"""The content-addressed cache: wheels as files, and what is made from them."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import platformdirs
from filelock import FileLock


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder tree ``<root>/<kind>/<key[:2]>/<key>/<name>``; keys are SHA-256 in hexadecimal.

    Write through `bundler.files.whole_file` or `whole_folder`, so that a reader never sees half a
    file and processes that race do the work twice at worst.
    """

    root: Path

    @classmethod
    def default(cls) -> Cache:
        """The user's cache: ``BUNDLE_CACHE`` if set, else the platform's cache folder."""
        given = os.environ.get("BUNDLE_CACHE")
        return cls(Path(given) if given else platformdirs.user_cache_path("flink-bundler"))

    def path(self, kind: str, key: str, name: str) -> Path:
        """Where the file or folder ``name`` of ``key`` lies, whether or not it exists."""
        return self.root / kind / key[:2] / key / name

    def lock(self, name: str) -> AbstractContextManager[object]:
        """Hold the machine-wide lock ``name``, for work too expensive to do twice at once."""
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{name}.lock")
