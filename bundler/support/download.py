"""Locked files into the cache: concurrent, checked against their hashes, never half written.

Wheels and sdists are in the cache as files, under their SHA-256. Every use reads the
file's hash again (1.7 GB/s with the CPU's SHA instructions), so that a damaged cache is noticed.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from bundler.errors import FetchError, not_cached
from bundler.support.cache import Cache
from bundler.support.files import sha256_of, whole_file
from bundler.support.http import CONNECTIONS, http_client
from bundler.support.index import index_settings
from bundler.support.progress import SILENT, Progress, Task

if TYPE_CHECKING:
    import httpx

Check = Callable[[Path, str], None]
"""Looks at a file that arrived, called as the name says, and raises if it is not sound."""

_ATTEMPTS = 3
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Download:
    """A file to have: its ``name``, SHA-256 in hexadecimal, ``size`` in bytes if known.

    ``url`` is http(s) or file; ``package`` is for messages.
    """

    package: str
    name: str
    url: str
    sha256: str
    size: int | None = None


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
        settings = index_settings()
        sizes = [item.size for item, _ in missing]
        total = None if None in sizes else sum(size or 0 for size in sizes)
        with (
            progress.task(f"Fetching {len(missing)} files", total, "B") as task,
            http_client(settings) if remote else contextlib.nullcontext() as client,
        ):
            under_way = _UnderWay()
            jobs = [
                pool.submit(
                    _fetch_one,
                    item,
                    place,
                    client,
                    settings.credentials(urlsplit(item.url).hostname or "", indexes),
                    task,
                    under_way,
                    check,
                )
                for item, place in missing
            ]
            try:
                for job in as_completed(jobs):
                    job.result()
            except BaseException:
                under_way.end()
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return places


class _UnderWay:
    """The downloads that run, so that all can be ended at once, stalled ones too."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self._answers: set[httpx.Response] = set()

    @contextlib.contextmanager
    def reading(self, answer: httpx.Response) -> Iterator[None]:
        self._answers.add(answer)
        try:
            if self.ended.is_set():
                self._cut(answer)
            yield
        finally:
            self._answers.discard(answer)

    def end(self) -> None:
        self.ended.set()
        for answer in list(self._answers):
            self._cut(answer)

    def _cut(self, answer: httpx.Response) -> None:
        # Closing it would not wake the thread that reads from it.
        with contextlib.suppress(OSError, KeyError):
            answer.extensions["network_stream"].get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def _is_whole(place: Path, item: Download) -> bool:
    try:
        return sha256_of(place) == item.sha256
    except FileNotFoundError:
        return False


def _fetch_one(
    item: Download,
    place: Path,
    client: httpx.Client | None,
    credentials: tuple[str, str] | None,
    task: Task,
    under_way: _UnderWay,
    check: Check | None,
) -> None:
    with whole_file(place) as temporary:
        if client is None or urlsplit(item.url).scheme == "file":
            _copy(item, temporary, task)
        else:
            _download(item, temporary, client, credentials, task, under_way)
        found = sha256_of(temporary)
        if found != item.sha256:
            raise FetchError(
                f"{item.name} has sha256 {found}.",
                f"The lock promises {item.sha256}.",
                "The index or a proxy serves other bytes: find out why, then run `bundle lock`.",
            )
        if check is not None:
            check(temporary, item.name)


def _copy(item: Download, temporary: Path, task: Task) -> None:
    source = Path(url2pathname(urlsplit(item.url).path))
    try:
        file = source.open("rb")
    except OSError as error:
        raise FetchError(
            f"{source} cannot be read: {error.strerror}.",
            f"The lock has {item.package} there.",
            "Put the file back, or run `bundle lock`.",
        ) from error
    with file, temporary.open("wb") as copy:
        shutil.copyfileobj(file, copy)
    task.advance(temporary.stat().st_size)


def _download(
    item: Download,
    temporary: Path,
    client: httpx.Client,
    credentials: tuple[str, str] | None,
    task: Task,
    under_way: _UnderWay,
) -> None:
    import httpx

    host = urlsplit(item.url).hostname or ""
    for attempt in range(1, _ATTEMPTS + 1):
        received = 0
        try:
            with (
                client.stream("GET", item.url, auth=credentials) as answer,
                under_way.reading(answer),
                temporary.open("wb") as file,
            ):
                answer.raise_for_status()
                for block in answer.iter_raw(1 << 18):
                    file.write(block)
                    received += len(block)
                    task.advance(len(block))
            return
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if attempt == _ATTEMPTS or status not in (429, 500, 502, 503, 504):
                raise FetchError(
                    f"{host} answered {status} {error.response.reason_phrase} for {item.name}.",
                    *_advice(status),
                ) from error
        except httpx.TransportError as error:
            if attempt == _ATTEMPTS or under_way.ended.is_set():
                raise FetchError(
                    f"{item.name} could not be fetched from {host}: {error}",
                    f"{_ATTEMPTS} attempts failed.",
                    "Check the network, HTTPS_PROXY and SSL_CERT_FILE; --offline uses the cache.",
                ) from error
        task.advance(-received)
        under_way.ended.wait(attempt * _PAUSE_SECONDS)


def _advice(status: int) -> tuple[str, str]:
    if status in (401, 403):
        return (
            "The index wants other credentials.",
            "Put them into the index URL or into netrc.",
        )
    return ("The lock names this file.", "If the index no longer has it, run `bundle lock`.")
