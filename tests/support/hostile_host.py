"""A host on loopback that answers as it should not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

Answer = Callable[[socket.socket, threading.Event], None]
"""Writes what it likes to a connection whose request was read, until the event is set."""


@dataclass
class HostileHost:
    """Its address, and how often it was asked."""

    url: str
    requests: list[str] = field(default_factory=list)


@contextmanager
def hostile_host(answer: Answer) -> Iterator[HostileHost]:
    """A host that gives each request to ``answer`` while the block runs."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = HostileHost(f"http://127.0.0.1:{server.getsockname()[1]}")

        def serve(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                asked = connection.recv(65536).decode(errors="replace")
                host.requests.append(asked.partition("\r\n")[0])
                answer(connection, over)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield host
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def sends(*parts: bytes, then: str = "close") -> Answer:
    """Send ``parts``; ``then`` "close", "stall" (say nothing), "repeat" or "drip" the last one."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(b"".join(parts))
        if then == "stall":
            over.wait(60)
        while then in ("repeat", "drip") and not over.wait(0.2 if then == "drip" else 0):
            connection.sendall(parts[-1])

    return answer
