"""One file from a host: bounded in size, time and rate, tried again where that may help."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bundler.errors import FetchError
from bundler.support.http import http_client
from bundler.support.index import IndexSettings
from bundler.support.limits import WINDOW_SECONDS, TransferLimits
from bundler.support.progress import Progress, Task

if TYPE_CHECKING:
    import httpx

_ATTEMPTS = 3
_PAUSE_SECONDS = 1.0
_TICK_SECONDS = 0.5


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

    @property
    def host(self) -> str:
        """The host that it comes from."""
        return urlsplit(self.url).hostname or ""


class Transfers:
    """Transfers that run at once, watched so that none is endless and all can be ended at once.

    One connection each: httpx bounds a read of a socket alone, and a host that sends a byte now and
    then would never be late. Where a transfer is late or slow, its connection is shut.
    """

    def __init__(self, settings: IndexSettings, limits: TransferLimits, progress: Progress) -> None:
        self._settings = settings
        self._limits = limits
        self._progress = progress
        self._ended = threading.Event()
        self._running: set[_Running] = set()
        self._idle: list[_Line] = []
        self._lock = threading.Lock()
        self._watch = threading.Thread(target=self._watched, daemon=True)

    def __enter__(self) -> Transfers:
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()
        self._watch.join()
        for line in self._idle:
            line.client.close()

    def end(self) -> None:
        """End all transfers, those that stall too: each raises FetchError."""
        self._ended.set()

    def fetch(
        self, item: Download, place: Path, credentials: tuple[str, str] | None, task: Task
    ) -> None:
        """Write the body of ``item`` to ``place``; ``task`` is told of the bytes.

        Raises FetchError if the host refuses, breaks off, is late or slow, or sends more than
        expected.
        """
        with self._line() as line:
            running = _Running(line, time.monotonic() + self._limits.deadline)
            with self._lock:
                if self._ended.is_set():
                    raise FetchError(f"{item.name} was not fetched: another transfer failed.")
                self._running.add(running)
            try:
                self._attempts(item, place, credentials, task, running)
            finally:
                with self._lock:
                    self._running.discard(running)

    @contextlib.contextmanager
    def _line(self) -> Iterator[_Line]:
        with self._lock:
            line = self._idle.pop() if self._idle else None
        line = line or _Line(http_client(self._settings))
        try:
            yield line
        finally:
            with self._lock:
                self._idle.append(line)

    def _attempts(
        self,
        item: Download,
        place: Path,
        credentials: tuple[str, str] | None,
        task: Task,
        running: _Running,
    ) -> None:
        import httpx

        for attempt in range(1, _ATTEMPTS + 1):
            running.begin()
            try:
                self._body(item, place, credentials, task, running)
                return
            except httpx.HTTPStatusError as error:
                fault = _refused(item, error.response)
                again = error.response.status_code in (429, 500, 502, 503, 504)
            except (httpx.RequestError, httpx.InvalidURL, UnicodeError) as error:
                fault = self._failed(item, error, running, attempt)
                again = isinstance(error, httpx.TransportError) and running.cut != "deadline"
            if not again or attempt == _ATTEMPTS or self._ended.is_set():
                raise fault
            task.advance(-running.received)
            self._progress.note(f"{fault.found} Trying again ({attempt + 1} of {_ATTEMPTS}).")
            self._ended.wait(attempt * _PAUSE_SECONDS)

    def _body(
        self,
        item: Download,
        place: Path,
        credentials: tuple[str, str] | None,
        task: Task,
        running: _Running,
    ) -> None:
        import httpx

        most = item.size if item.size is not None else int(self._limits.largest)
        with (
            running.line.client.stream(
                "GET", item.url, auth=credentials, extensions=running.line.extensions
            ) as answer,
            place.open("wb") as file,
        ):
            answer.raise_for_status()
            announced = answer.headers.get("content-length", "")
            if announced.isdecimal() and int(announced) > most:
                raise _too_large(item, most)
            for block in answer.iter_raw():
                running.received += len(block)
                if running.received > most:
                    raise _too_large(item, most)
                file.write(block)
                task.advance(len(block))
        if running.cut:
            # Without a length, a connection that was shut looks like the end of the body.
            raise httpx.ReadError("the connection was shut")

    def _failed(
        self, item: Download, error: Exception, running: _Running, attempt: int
    ) -> FetchError:
        if running.cut == "deadline":
            return FetchError(
                f"{item.name} did not arrive from {item.host} within {self._limits.deadline:g} "
                "seconds.",
                "BUNDLE_HTTP_DEADLINE sets how long a file may take.",
                "Raise it, or check the network.",
            )
        if running.cut == "rate":
            return FetchError(
                f"{item.host} sent {item.name} at less than {self._limits.least_rate:g} bytes a "
                f"second, for {WINDOW_SECONDS:g} seconds.",
                f"{attempt} of {_ATTEMPTS} attempts failed; BUNDLE_HTTP_LEAST_RATE sets the rate.",
                "Check the network and the host, or lower that rate.",
            )
        return FetchError(
            f"{item.name} could not be fetched from {item.host}: {error or type(error).__name__}.",
            f"{attempt} of {_ATTEMPTS} attempts failed.",
            "Check the network, HTTPS_PROXY and SSL_CERT_FILE; --offline uses the cache.",
        )

    def _watched(self) -> None:
        while not self._ended.wait(_TICK_SECONDS):
            with self._lock:
                for running in self._running:
                    running.check(self._limits)
        while True:
            with self._lock:
                if not self._running:
                    return
                for running in self._running:
                    running.line.shut()
            time.sleep(_TICK_SECONDS)


class _Line:
    """A client that sends one request at a time, and the sockets that it opened."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self._sockets: list[Any] = []

    @property
    def extensions(self) -> dict[str, Any]:
        return {"trace": self._traced}

    def _traced(self, event: str, info: dict[str, Any]) -> None:
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            opened = info["return_value"].get_extra_info("socket")
            self._sockets = [*(each for each in self._sockets if each.fileno() >= 0), opened]

    def shut(self) -> None:
        """Let the request that runs see the end of its connection."""
        for opened in list(self._sockets):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)


@dataclass(eq=False, slots=True)
class _Running:
    """A transfer: when it must be over, and how much of it arrived in this window of time."""

    line: _Line
    end: float
    received: int = 0
    cut: str = ""
    _window: float = field(default=0.0, init=False)
    _before: int = field(default=0, init=False)

    def begin(self) -> None:
        """A new attempt."""
        self.received = self._before = 0
        self.cut = ""
        self._window = time.monotonic()

    def check(self, limits: TransferLimits) -> None:
        """Shut the connection of what is late or slow."""
        now = time.monotonic()
        if now >= self.end:
            self.cut = "deadline"
        elif now - self._window >= WINDOW_SECONDS:
            received, self._before = self.received - self._before, self.received
            self._window = now
            if received < limits.least_rate * WINDOW_SECONDS:
                self.cut = "rate"
        if self.cut:
            self.line.shut()


def _too_large(item: Download, most: int) -> FetchError:
    told = item.size is not None
    return FetchError(
        f"{item.host} sends more than {most:,} bytes for {item.name}.",
        "The lock has that size."
        if told
        else "Without a size in the lock, BUNDLE_HTTP_LARGEST bounds it.",
        "Find out why the file changed, then run `bundle lock`." if told else "Raise it.",
    )


def _refused(item: Download, answer: httpx.Response) -> FetchError:
    status = answer.status_code
    advice = (
        ("The index wants other credentials.", "Put them into the index URL or into netrc.")
        if status in (401, 403)
        else ("The lock names this file.", "If the index no longer has it, run `bundle lock`.")
    )
    return FetchError(
        f"{item.host} answered {status} {answer.reason_phrase[:80]} for {item.name}.", *advice
    )
