"""A server on loopback that answers as Flink does, or as a bad server would."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

JAR = "0a1b2c3d-0a1b-0a1b-0a1b-0a1b2c3d4e5f_{}.jar"
JOB = "0123456789abcdef0123456789abcdef"

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """One request; an `Answer` sends what it likes with `send` or through ``wfile``."""

    server: BadMaster

    def send(self, data: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def drip(self, piece: bytes) -> None:
        """Send ``piece`` again and again, with pauses, until the client or the test has enough."""
        while not self.server.ended.wait(0.05):
            self.wfile.write(piece)
            self.wfile.flush()

    def answered(self) -> None:
        server, path = self.server, self.path.partition("?")[0]
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        server.seen.append((self.command, self.path, self.headers.get("Authorization", "")))
        with suppress(ConnectionError):
            server.answers.get((self.command, path), not_found)(self)

    do_GET = do_POST = do_DELETE = do_PATCH = answered  # noqa: N815 - names of http.server

    def log_message(self, format: str, *args: object) -> None:
        pass


class BadMaster(ThreadingHTTPServer):
    """``answers`` by method and path; ``seen`` are the requests with their ``Authorization``."""

    daemon_threads = True

    def __init__(self, answers: Mapping[tuple[str, str], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {**SOUND, **answers}
        self.seen: list[tuple[str, str, str]] = []
        self.ended = threading.Event()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"


@contextmanager
def bad_master(answers: Mapping[tuple[str, str], Answer] | None = None) -> Iterator[BadMaster]:
    """A master that is sound but for ``answers``."""
    server = BadMaster(answers or {})
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.ended.set()
        server.shutdown()
        server.server_close()


def sends(value: object, status: int = 200) -> Answer:
    """Answer with ``value`` as JSON, or with the bytes that it is."""
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return lambda handler: handler.send(data, status)


def redirects(url: str, status: int = 307) -> Answer:
    return lambda handler: handler.send(b"", status, Location=url)


def drips_headers(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
    handler.drip(b"X-More: 1\r\n")


def drips_body(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    handler.drip(b" ")


def drips_without_end(handler: Handler) -> None:
    """As `drips_body`, in a body that lasts until the connection ends."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\n\r\n")
    handler.drip(b" ")


def stalls(handler: Handler) -> None:
    handler.server.ended.wait()


def floods(handler: Handler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not handler.server.ended.is_set():
        handler.wfile.write(b"x" * (1 << 20))


def not_found(handler: Handler) -> None:
    handler.send(b'{"errors": ["Not found."]}', 404)


def _uploaded(handler: Handler) -> None:
    name = handler.body.partition(b'filename="')[2].partition(b".jar")[0].decode()
    handler.send(json.dumps({"filename": f"/up/{JAR.format(name)}", "status": "success"}).encode())


def _run_or_delete(handler: Handler) -> None:
    handler.send(json.dumps({"jobid": JOB}).encode())


SOUND: dict[tuple[str, str], Answer] = {
    ("GET", "/config"): sends({"flink-version": "2.2.1", "features": {"web-submit": True}}),
    ("POST", "/jars/upload"): _uploaded,
    ("GET", f"/jobs/{JOB}"): sends({"state": "FINISHED", "vertices": [{"status": "FINISHED"}]}),
    ("GET", f"/jobs/{JOB}/exceptions"): sends({"exceptionHistory": {"entries": []}}),
    **{
        (method, f"/jars/{JAR.format(name)}{end}"): _run_or_delete
        for name in ("job-program", "flink-python-2.2.1", "job-code", "venv")
        for method, end in (("POST", "/run"), ("DELETE", ""))
    },
}
