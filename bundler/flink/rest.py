"""Flink's REST API, as far as submitting and following a job needs it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from bundler.errors import JobError, UsageError
from bundler.flink.answers import Dashboard, Errors, Uploaded
from bundler.flink.failure import java_cause
from bundler.flink.master import Master, redirected
from bundler.flink.rest_limits import SECONDS_VARIABLE, RestLimits
from bundler.support.deadline import Deadline
from bundler.support.files import open_regular
from bundler.support.problem import first_problem

if TYPE_CHECKING:
    import httpx

    from bundler.support.progress import Task

Answer = TypeVar("Answer", bound=BaseModel)

_TAIL = 1 << 18
_CONNECT_SECONDS = 30.0
_REDIRECTS = 5
_MOVED = (301, 302, 307, 308)


class RefusedError(JobError):
    """Flink answered with an HTTP error; ``text`` is its stack trace or message."""

    def __init__(self, url: str, status: int, text: str) -> None:
        self.status = status
        self.text = text
        remedy = ""
        if status in (401, 403):
            remedy = "Put user and password before the host of --master, and an @ between."
        super().__init__(f"{url} answered with HTTP status {status}.", java_cause(text), remedy)


@dataclass(frozen=True, slots=True)
class _Request:
    """One request: ``body`` makes httpx's options for it, each time it is sent."""

    method: str
    path: str
    seconds: float
    body: Callable[[], Mapping[str, Any]] | None = None
    expected: str = "Expected an answer in that time."
    remedy: str = f"Check the master and the network, or set {SECONDS_VARIABLE} to more seconds."


class FlinkApi:
    """A client of the master at ``master`` ("host:8081", "https://user:password@host/flink"); a
    context manager. ``url`` is its address without the user.

    Calls raise JobError if the master cannot be reached, takes longer or sends more than
    ``limits`` allow, or is not a Flink, and RefusedError if it answers with an error. UsageError
    if ``master`` is not an address.
    """

    def __init__(self, master: str, limits: RestLimits | None = None) -> None:
        import httpx

        self._master = Master.parse(master)
        self._limits = limits or RestLimits.of_environment()
        self._deadline = Deadline()
        try:
            self._client = httpx.Client(
                trust_env=not self._master.is_loopback,
                follow_redirects=False,
                auth=self._master.auth,
                headers={"Accept-Encoding": "identity"},
            )
        except (ValueError, OSError, httpx.InvalidURL) as error:
            raise UsageError(
                f"The settings for proxy and certificates cannot be used: {error}.",
                "Expected a proxy such as http://proxy:3128, certificates in PEM format.",
                "Change HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, SSL_CERT_FILE or SSL_CERT_DIR.",
            ) from error

    @property
    def url(self) -> str:
        """The master's address, fit to be shown."""
        return self._master.url

    def __enter__(self) -> FlinkApi:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._client.close()

    def dashboard(self) -> Dashboard:
        """The dashboard's configuration: Flink's version and what may be done."""
        try:
            return self.get("/config", Dashboard)
        except RefusedError as error:
            if error.status in (401, 403):
                raise
            raise self._no_flink(f"it sent HTTP status {error.status}") from error

    def get(self, path: str, answer: type[Answer]) -> Answer:
        """What is at ``path``."""
        return self._ask(_Request("GET", path, self._limits.seconds), answer)

    def post(
        self, path: str, body: Mapping[str, Any], answer: type[Answer], seconds: float
    ) -> Answer:
        """POST a JSON object and wait ``seconds`` for the answer.

        Raises UsageError for text that is not Unicode (such as a file name in another encoding).
        """
        try:
            content = json.dumps(body, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise UsageError(
                f"{error.object[max(0, error.start - 20) : error.end + 20]!r} is not Unicode text.",
                "Expected arguments and names in UTF-8.",
                "Change that argument or file name.",
            ) from error
        options = {"content": content, "headers": {"Content-Type": "application/json"}}
        request = _Request(
            "POST",
            path,
            seconds,
            lambda: options,
            "main() must return: it must not wait for the job, as execute_sql(...).wait() does.",
            "Check the master's log, or raise --timeout.",
        )
        return self._ask(request, answer)

    def delete(self, path: str) -> None:
        """DELETE what is at ``path``."""
        self._send(_Request("DELETE", path, self._limits.seconds))

    def upload(self, file: Path, name: str, task: Task) -> Uploaded:
        """Stream the regular ``file`` to the master as the JAR ``name``."""
        with open_regular(file, "an archive or a JAR") as stream:
            size = os.fstat(stream.fileno()).st_size

            def body() -> dict[str, Any]:
                stream.seek(0)
                return {
                    "files": {"jarfile": (name, _Counted(stream, task), "application/java-archive")}
                }

            request = _Request(
                "POST",
                "/jars/upload",
                self._limits.seconds + size / self._limits.rate,
                body,
                f"Expected the master to take {file.name} ({size:,} bytes) at "
                f"{self._limits.rate:,} bytes a second or faster.",
            )
            return self._ask(request, Uploaded)

    def tail(self, path: str) -> str:
        """The last part of the log at ``path``; nothing if the master does not show it."""
        import httpx

        kept = b""
        with (
            contextlib.suppress(httpx.HTTPError, httpx.InvalidURL, UnicodeError),
            self._deadline.within(self._limits.seconds),
            self._opened(_Request("GET", path, self._limits.seconds), f"{self.url}{path}") as log,
        ):
            if log.status_code != 200:
                return ""
            for chunk in log.iter_raw():
                kept = (kept + chunk)[-_TAIL:]
        return self.hide(kept.decode(errors="replace"))

    def hide(self, text: str) -> str:
        """``text`` of the master, fit to be shown: credentials that it repeats are hidden."""
        return self._master.hide(text)

    def _ask(self, request: _Request, answer: type[Answer]) -> Answer:
        data = self._send(request)
        try:
            return answer.model_validate_json(data)
        except ValidationError as error:
            problem = first_problem(error)
            if not problem.key:
                raise self._no_flink(f"{_of(request)} has no JSON object as its answer") from error
            raise self._no_flink(
                f"{problem.key} {problem.found} in the answer to {_of(request)}",
                f"Expected {problem.expected}.",
            ) from error

    def _send(self, request: _Request) -> bytes:
        """The body of the answer, after redirects that stay on the master's host.

        Only a GET without credentials follows one to another host: what is sent is meant for the
        host that a person named.
        """
        import httpx

        url = f"{self.url}{request.path}"
        try:
            with self._deadline.within(request.seconds):
                for _ in range(_REDIRECTS):
                    with self._opened(request, url) as response:
                        data = self._bounded(response, request)
                        if response.status_code not in _MOVED:
                            return self._accepted(response, request, data)
                        url = self._onward(request, url, response.headers.get("Location", ""))
        except httpx.InvalidURL as error:  # what the answer redirects to
            raise self._no_flink(f"{_of(request)} was redirected to what is not a URL") from error
        except (httpx.HTTPError, OSError, UnicodeError) as error:  # the last: of a host name
            if self._deadline.passed or (
                isinstance(error, httpx.TimeoutException)
                and not isinstance(error, httpx.ConnectTimeout)
            ):
                raise self._late(request) from error
            raise JobError(
                f"Flink at {self.url} cannot be reached: {error or type(error).__name__}.",
                "Expected the REST API of a JobManager (rest.port, 8081 by default).",
                "Check the address, and that a firewall or proxy lets it through.",
            ) from error
        raise self._no_flink(f"{_of(request)} was redirected more than {_REDIRECTS} times")

    @contextlib.contextmanager
    def _opened(self, request: _Request, url: str) -> Iterator[httpx.Response]:
        import httpx

        with self._client.stream(
            request.method,
            url,
            timeout=httpx.Timeout(request.seconds, connect=min(_CONNECT_SECONDS, request.seconds)),
            extensions=dict(self._deadline.extensions),
            **(request.body() if request.body else {}),
        ) as response:
            yield response

    def _bounded(self, response: httpx.Response, request: _Request) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise self._no_flink(f"the answer to {_of(request)} is compressed, unasked")
        data = bytearray()
        for chunk in response.iter_raw():
            data += chunk
            if len(data) > self._limits.size:
                raise self._no_flink(
                    f"the answer to {_of(request)} is larger than {self._limits.size:,} bytes"
                )
        if self._deadline.passed:
            # A body without a stated length ends well when its connection is shut.
            raise self._late(request)
        return bytes(data)

    def _accepted(self, response: httpx.Response, request: _Request, data: bytes) -> bytes:
        if response.status_code >= 400:
            raise RefusedError(
                f"{self.url}{request.path}", response.status_code, self.hide(_told(data))
            )
        if response.status_code >= 300:
            raise self._no_flink(f"it sent HTTP status {response.status_code} to {_of(request)}")
        return data

    def _onward(self, request: _Request, url: str, location: str) -> str:
        target = redirected(url, location)
        if target is None:
            raise self._no_flink(f"it redirects {_of(request)} to {location[:200]!r}")
        bound = request.method != "GET" or self._master.auth is not None
        if bound and not self._master.is_own(target):
            raise JobError(
                f"Flink at {self.url} redirects {_of(request)} to another host: {target[:200]}.",
                "What is sent, and credentials, go only to the host of --master.",
                "If you trust that host, give its address as --master.",
            )
        return target

    def _late(self, request: _Request) -> JobError:
        return JobError(
            f"Flink at {self.url} did not answer {_of(request)} within {request.seconds:,.4g} s.",
            request.expected,
            request.remedy,
        )

    def _no_flink(self, problem: str, expected: str = "") -> JobError:
        return JobError(
            f"What answers at {self.url} is not a Flink master: {problem}.",
            expected or "Expected the REST API of a JobManager (rest.port, 8081 by default).",
            "Check host and port of --master.",
        )


def _of(request: _Request) -> str:
    return f"{request.method} {request.path}"


def _told(data: bytes) -> str:
    """What an error's body says; the last part of it, if it is long."""
    try:
        return "\n".join(Errors.model_validate_json(data).errors)
    except ValidationError:
        return data[-_TAIL:].decode(errors="replace")


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
