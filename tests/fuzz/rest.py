"""A master on loopback that answers what the fuzzer says, and the calls that a submit makes."""

from __future__ import annotations

import contextlib
import functools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bundler.flink.answers import Started, Uploaded
from bundler.flink.follow import follow_job
from bundler.flink.rest import FlinkApi
from bundler.flink.rest_limits import RestLimits

_SECONDS = 0.5
"""An answer that never comes costs this much."""


class _Master:
    """``answers`` is the JSON by a part of the path, or a whole response, sent as it is."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] | bytes = b""
        master = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    if isinstance(master.answers, bytes):
                        self.wfile.write(master.answers)
                        self.close_connection = True
                        return
                    status, body = master.answer(self.path)
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.do_GET()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, path: str) -> tuple[int, bytes]:
        assert isinstance(self.answers, dict)
        key = "/exceptions" if path.endswith("/exceptions") else ""
        key = key or next((key for key in self.answers if key and key in path), "")
        answer = self.answers.get(key)
        status = 500 if isinstance(answer, dict) and "errors" in answer else 200
        return status, json.dumps(answer).encode(errors="replace")


@functools.cache
def _master() -> _Master:
    return _Master()


@functools.cache
def _api(url: str) -> FlinkApi:
    """One client for all inputs: to make one takes longer than all that it is asked."""
    return FlinkApi(url, RestLimits(seconds=_SECONDS))


def read_answers(data: bytes) -> object:
    """What `FlinkApi` and `follow_job` make of ``data``: JSON by path, or a whole response."""
    master = _master()
    try:
        found = json.loads(data)
        master.answers = found if isinstance(found, dict) else data
    except (ValueError, RecursionError):
        master.answers = data
    api = _api(master.url)
    version = api.dashboard()
    uploaded = api.post("/jars/upload", {}, Uploaded, _SECONDS).path
    job = api.post("/jars/x/run", {}, Started, _SECONDS).job_id
    return version, uploaded, follow_job(api, job, until_running=True, timeout=0)
