"""A standalone Flink of one JobManager and one TaskManager, as bare as a managed cluster.

Both are direct children of this process: Flink's own start scripts daemonize. Their environment
holds Java and the few tools that Flink's Python runner script calls, and no Python.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from bundler.errors import JobError, UsageError
from bundler.flink.answers import Overview
from bundler.flink.configuration import render_yaml
from bundler.flink.local.cluster_options import ClusterOptions, cluster_configuration
from bundler.flink.local.jvm import FlinkJvm
from bundler.flink.local.tail import Tail, last_part
from bundler.flink.rest import FlinkApi
from bundler.flink.rest_limits import RestLimits
from bundler.support.process import stop
from bundler.support.progress import SILENT, Progress

if TYPE_CHECKING:
    from bundler.flink.distribution import Distribution

_ENTRIES = {
    "JobManager": "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint",
    "TaskManager": "org.apache.flink.runtime.taskexecutor.TaskManagerRunner",
}


class LocalCluster:
    """A running Flink for the length of a ``with`` block, on the Java whose home is ``java``.

    Both processes end with the block, with SIGTERM to this process, and (on Linux) with its death.

    Entering raises UsageError if the port is taken, JobError if Flink does not come up. ``jvm``,
    ``rest_url`` and what follows from them are there once the block is entered.
    """

    jvm: FlinkJvm
    rest_url: str

    def __init__(
        self,
        distribution: Distribution,
        java: Path,
        options: ClusterOptions | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self._distribution = distribution
        self._java = java
        self._options = options or ClusterOptions()
        self._progress = progress
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._stack = contextlib.ExitStack()

    @property
    def folder(self) -> Path:
        """The folder with configuration, logs and temporary files."""
        return self.jvm.folder

    @property
    def logs(self) -> Path:
        """The folder with the logs and the standard output of both processes."""
        return self.jvm.logs

    def taskmanager_output(self) -> Tail:
        """What the job's tasks print, such as the rows of the ``print`` connector."""
        return Tail(self.logs / "taskmanager.out")

    def jobmanager_output(self) -> Tail:
        """What main() prints when the job is submitted by REST."""
        return Tail(self.logs / "jobmanager.out")

    def __enter__(self) -> LocalCluster:
        if self._options.port is not None:
            _refuse_taken(self._options.port)
        with contextlib.ExitStack() as stack:
            folder = self._make_folder(stack)
            self.jvm = FlinkJvm(self._distribution, self._java, folder, self._options.heap)
            stack.enter_context(_sigterm_unwinds())
            stack.callback(self._stop)
            with self._progress.task(f"Starting Flink {self._distribution.version}"):
                self._start()
                self._await_taskmanager()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def _make_folder(self, stack: contextlib.ExitStack) -> Path:
        if self._options.folder is not None:
            return self._options.folder.absolute()
        folder = Path(tempfile.mkdtemp(prefix="bundle-flink-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        return folder

    def _start(self) -> None:
        rest = self._options.port or _free_port()
        self.rest_url = f"http://127.0.0.1:{rest}"
        configuration = cluster_configuration(
            self._options, self.folder, rest_port=rest, rpc_port=_free_port()
        )
        self.jvm.prepare(render_yaml(configuration, self._distribution.version))
        for name in _ENTRIES:
            self._processes[name] = self._launch(name)

    def _launch(self, name: str) -> subprocess.Popen[bytes]:
        log = name.lower()
        with (self.logs / f"{log}.out").open("wb") as out:
            return subprocess.Popen(
                self.jvm.command(log, _ENTRIES[name], "--configDir", str(self.folder / "conf")),
                cwd=self.folder,
                env=self.jvm.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _await_taskmanager(self) -> None:
        deadline = time.monotonic() + self._options.timeout
        with FlinkApi(self.rest_url, RestLimits(seconds=5.0)) as api:
            while time.monotonic() < deadline:
                self.check()
                with contextlib.suppress(JobError):
                    if api.get("/overview", Overview).slots >= self._options.slots:
                        return
                time.sleep(0.1)
        raise JobError(
            f"Flink {self._distribution.version} did not start within {self._options.timeout:g} s.",
            _last_words(self.logs),
            "Check whether the machine is busy or short of memory, and run the command again.",
        )

    def check(self) -> None:
        """Raise JobError if the JobManager or the TaskManager has died."""
        for name, process in self._processes.items():
            if process.poll() is not None:
                raise JobError(
                    f"The {name} of Flink {self._distribution.version} ended "
                    f"with exit status {process.returncode}.",
                    _last_words(self.logs),
                    f"It ran on the Java in {self._java}.",
                )

    def _stop(self) -> None:
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes.values():
            stop(process, grace=1.0)
            # Python workers are in the group of the TaskManager that started them.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise UsageError(
                f"Port {port} is taken ({error.strerror}).",
                "The local Flink needs it for its REST API.",
                "Stop what listens there, or choose another --port (default: a free one).",
            ) from error


@contextlib.contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """Let SIGTERM leave the block as an exception does, so that what it holds is released."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _last_words(logs: Path) -> str:
    """The most telling line of what Flink wrote before it gave up."""
    for path in sorted(logs.glob("*")):
        lines = last_part(path).splitlines()
        for line in reversed(lines):
            if re.search(r"\b(Caused by|ERROR|FATAL|Exception|Error)\b", line):
                return f"{path.name}: {line.strip()[:300]}"
    return "Its log names no error."
