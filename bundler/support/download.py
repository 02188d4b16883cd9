"""Locked files into the cache: concurrent, checked against their hashes, never half written.

Wheels and sdists are in the cache as files, under their SHA-256. Every use reads the
file's hash again (1.7 GB/s with the CPU's SHA instructions), so that a damaged cache is noticed.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from bundler.errors import FetchError, UsageError, not_cached
from bundler.support.cache import Cache, is_kept, remove_unless_file
from bundler.support.files import open_regular, sha256_of, whole_file
from bundler.support.http import CONNECTIONS
from bundler.support.index import index_settings
from bundler.support.limits import transfer_limits
from bundler.support.progress import SILENT, Progress, Task
from bundler.support.transfer import Download, Transfers

Check = Callable[[Path, str], None]
"""Looks at a file that arrived, called as the name says, and raises if it is not sound."""


def download(
    downloads: Sequence[Download],
    cache: Cache,
    progress: Progress = SILENT,
    *,
    offline: bool = False,
    indexes: Sequence[str] = (),
    check: Check | None = None,
) -> list[Path]:
    """The files of ``downloads`` in the cache, in their order.

    ``indexes`` are index URLs beside those that are set up; they may carry credentials.
    ``check`` looks at each file that arrives. Raises FetchError if one could not be fetched, has
    other bytes than promised, or is not in the cache when ``offline``, and what ``check`` raises.
    """
    places = [cache.path("wheels", item.sha256, item.name) for item in downloads]
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        whole = list(pool.map(_is_whole, places, downloads))
        missing = [
            (item, place)
            for item, place, ok in zip(downloads, places, whole, strict=True)
            if not ok
        ]
        for item, place in missing:
            if place.exists():
                progress.warn(f"{item.name} in the cache is damaged; it is fetched again.")
        remote = [item for item, _ in missing if urlsplit(item.url).scheme != "file"]
        if offline and remote:
            names = ", ".join(item.name for item in remote[:5])
            more = f" and {len(remote) - 5} more files" if remote[5:] else ""
            raise not_cached(f"{names}{more}")
        if not missing:
            return places
        for _, place in missing:
            remove_unless_file(place)
        settings = index_settings()
        sizes = [item.size for item, _ in missing]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        with (
            progress.task(f"Fetching {len(missing)} files", total, "B") as task,
            Transfers(settings, transfer_limits(), progress) as transfers,
        ):

            def fetch_one(item: Download, place: Path) -> None:
                credentials = settings.credentials(item.host, indexes)
                with whole_file(place) as temporary:
                    if urlsplit(item.url).scheme == "file":
                        _copy(item, temporary, task)
                    else:
                        transfers.fetch(item, temporary, credentials, task)
                    _check(item, temporary, check)

            jobs = [pool.submit(fetch_one, item, place) for item, place in missing]
            try:
                for job in as_completed(jobs):
                    job.result()
            except BaseException:
                transfers.end()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return places


def _is_whole(place: Path, item: Download) -> bool:
    return is_kept(place) and sha256_of(place) == item.sha256


def _check(item: Download, file: Path, check: Check | None) -> None:
    found = sha256_of(file)
    if found != item.sha256:
        raise FetchError(
            f"{item.name} has sha256 {found}.",
            f"The lock promises {item.sha256}.",
            "The index or a proxy serves other bytes: find out why, then run `bundle lock`.",
        )
    if check is not None:
        check(file, item.name)


def _copy(item: Download, temporary: Path, task: Task) -> None:
    source = Path(url2pathname(urlsplit(item.url).path))
    try:
        file = open_regular(source)
    except UsageError as error:
        raise FetchError(
            error.found,
            f"The lock has a file of {item.package} there.",
            "Put the file back, or run `bundle lock`.",
        ) from error
    with file, temporary.open("wb") as copy:
        shutil.copyfileobj(file, copy)
    task.advance(temporary.stat().st_size)
