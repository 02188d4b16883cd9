"""Flink's REST API, as far as submitting and following a job needs it."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bundler.errors import JobError, UsageError
from bundler.flink.failure import java_cause

if TYPE_CHECKING:
    import httpx

    from bundler.support.progress import Task

_TAIL = 1 << 18


class RefusedError(JobError):
    """Flink answered with an HTTP error; ``text`` is its stack trace or message."""

    def __init__(self, url: str, status: int, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(f"{url} answered with HTTP status {status}.", java_cause(text))


class FlinkApi:
    """A client of the master at ``master`` ("host:8081", "https://host/flink"); a context manager.

    Calls raise JobError if the master cannot be reached or is not a Flink, and RefusedError if it
    answers with an error. UsageError if ``master`` is not an address.
    """

    def __init__(self, master: str) -> None:
        import httpx

        self.url = master_url(master)
        host = urlsplit(self.url).hostname or ""
        self._client = httpx.Client(
            base_url=self.url,
            timeout=httpx.Timeout(30.0, read=60.0, write=120.0),
            trust_env=not _is_loopback(host),
            follow_redirects=True,
        )

    def __enter__(self) -> FlinkApi:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def config(self) -> dict[str, Any]:
        """The dashboard's configuration: ``flink-version``, ``features``."""
        try:
            config = self.get("/config")
        except RefusedError as error:
            raise self._no_flink(f"HTTP status {error.status}") from error
        if "flink-version" not in config:
            raise self._no_flink("JSON without a Flink version")
        return config

    def get(self, path: str) -> dict[str, Any]:
        """The JSON object at ``path``."""
        return self._object(self._send("GET", path))

    def post(self, path: str, body: dict[str, Any], timeout: float) -> dict[str, Any]:
        """POST a JSON object; ``timeout`` is the seconds to wait for the answer."""
        return self._object(self._send("POST", path, json=body, timeout=timeout))

    def delete(self, path: str) -> None:
        """DELETE what is at ``path``."""
        self._send("DELETE", path)

    def upload(self, file: Path, name: str, task: Task) -> str:
        """Stream ``file`` to the master as the JAR ``name``; returns its path over there."""
        with file.open("rb") as stream:
            answer = self._object(
                self._send(
                    "POST",
                    "/jars/upload",
                    files={"jarfile": (name, _Counted(stream, task), "application/java-archive")},
                    timeout=600.0,
                )
            )
        return str(answer["filename"])

    def tail(self, path: str) -> str:
        """The last part of the log at ``path``; nothing if the master does not show it."""
        import httpx

        kept = b""
        with (
            contextlib.suppress(httpx.HTTPError),
            self._client.stream("GET", path) as response,
        ):
            if response.status_code != 200:
                return ""
            for chunk in response.iter_bytes():
                kept = (kept + chunk)[-_TAIL:]
        return kept.decode(errors="replace")

    def _send(self, method: str, path: str, **options: Any) -> httpx.Response:
        import httpx

        try:
            response = self._client.request(method, path, **options)
        except httpx.TimeoutException as error:
            raise JobError(
                f"Flink at {self.url} did not answer in time ({method} {path}).",
                "A job whose main() blocks does not return: execute_sql(...) must not be waited "
                "for."
                if path.endswith("/run")
                else "The master may be overloaded.",
                "Look at its log, or allow more time.",
            ) from error
        except (httpx.HTTPError, OSError) as error:
            raise JobError(
                f"Flink at {self.url} cannot be reached: {error}.",
                "Expected the REST API of a JobManager (rest.port, 8081 by default).",
                "Check the address, and that a firewall or proxy lets it through.",
            ) from error
        if response.status_code >= 400:
            raise RefusedError(f"{self.url}{path}", response.status_code, _errors(response))
        return response

    def _object(self, response: httpx.Response) -> dict[str, Any]:
        try:
            answer = response.json()
        except ValueError as error:
            raise self._no_flink(response.headers.get("content-type", "no JSON")) from error
        if not isinstance(answer, dict):
            raise self._no_flink("another kind of JSON")
        return answer

    def _no_flink(self, got: str) -> JobError:
        return JobError(
            f"What answers at {self.url} is not a Flink master: it sent {got}.",
            "Expected the REST API of a JobManager (rest.port, 8081 by default).",
            "Check host and port of --master.",
        )


def master_url(master: str) -> str:
    """``master`` as a URL; a bare ``host:port`` is http. Raises UsageError if it is neither."""
    url = master if "://" in master else f"http://{master}"
    parts = urlsplit(url)
    try:
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(character.isspace() for character in master):
        raise UsageError(
            f"'{master}' is not the address of a Flink master.",
            "Expected http://HOST:PORT, https://HOST:PORT or HOST:PORT.",
            "Correct --master.",
        )
    return url.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _errors(response: httpx.Response) -> str:
    try:
        answer = response.json()
        return "\n".join(str(error) for error in answer["errors"])
    except (ValueError, KeyError, TypeError):
        return response.text


class _Counted:
    """A file that reports what is read of it, so that an upload shows its progress."""

    def __init__(self, file: IO[bytes], task: Task) -> None:
        self._file = file
        self._task = task

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._task.advance(len(data))
        return data

    def fileno(self) -> int:
        return self._file.fileno()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._file)
