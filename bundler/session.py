"""What every stage is handed: where to cache, whom to tell, and whether the network may be used."""

from __future__ import annotations

from dataclasses import dataclass

from bundler.support.cache import Cache
from bundler.support.progress import SILENT, Progress


@dataclass(frozen=True, slots=True)
class Session:
    """The cache, the listener and the network of one run of a command or a program.

    ``progress`` is told what goes on (`bundler.support.progress.SILENT` by default); with
    ``offline`` nothing is fetched: what is not in ``cache`` is an error.
    """

    cache: Cache
    progress: Progress = SILENT
    offline: bool = False

    @classmethod
    def default(cls, progress: Progress = SILENT, *, offline: bool = False) -> Session:
        """A session with the user's cache (``BUNDLE_CACHE``, else the platform's folder)."""
        return cls(Cache.default(), progress, offline)
