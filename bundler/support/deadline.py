"""An end for HTTP requests, however a server stalls or drips.

httpx bounds each read of a socket alone: a server that sends one byte now and then is never late.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any


class Deadline:
    """Shuts a client's connections down when a request takes longer than allowed.

    For a client that sends one request at a time. Each request gets ``extensions`` and is made
    within `within`; the client then sees its connection end, and `passed` says why.
    """

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self._end = float("inf")

    @property
    def extensions(self) -> Mapping[str, Any]:
        """What the request must have as httpx's ``extensions``."""
        return {"trace": self._traced}

    @property
    def passed(self) -> bool:
        """Whether the time of the latest request is over."""
        return time.monotonic() >= self._end

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Allow what the block requests ``seconds`` together, its redirects included."""
        self._end = time.monotonic() + seconds
        timer = threading.Timer(seconds, self._shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _traced(self, event: str, info: Mapping[str, Any]) -> None:
        if event not in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            return
        opened = info["return_value"].get_extra_info("socket")
        self._sockets = [each for each in self._sockets if each.fileno() >= 0]
        if isinstance(opened, socket.socket):
            self._sockets.append(opened)

    def _shut(self) -> None:
        for opened in list(self._sockets):
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)
