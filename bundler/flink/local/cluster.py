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
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

from bundler.errors import JobError, UsageError
from bundler.flink.configuration import config_name, render_yaml
from bundler.flink.local.tail import Tail, last_part
from bundler.support.process import stop
from bundler.support.progress import SILENT, Progress

if TYPE_CHECKING:
    from bundler.flink.distribution import Distribution

_JOBMANAGER = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
_TASKMANAGER = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"

# What pyflink-udf-runner.sh and Flink itself start by name.
_TOOLS = [
    "basename",
    "bash",
    "cat",
    "chmod",
    "cp",
    "dirname",
    "env",
    "getconf",
    "grep",
    "gzip",
    "id",
    "ln",
    "ls",
    "mkdir",
    "mv",
    "ps",
    "readlink",
    "rm",
    "sed",
    "sh",
    "sleep",
    "sort",
    "tar",
    "uname",
    "which",
]

# The list of Flink's own config.yaml (env.java.opts.all), less the compiler's internals.
_MODULE_OPTIONS = (
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in [
            "java.lang",
            "java.net",
            "java.io",
            "java.nio",
            "sun.nio.ch",
            "java.lang.reflect",
            "java.text",
            "java.time",
            "java.util",
            "java.util.concurrent",
            "java.util.concurrent.atomic",
            "java.util.concurrent.locks",
        ]
    ),
)

# Sets the signal a child gets when its parent dies, however it dies, and becomes the program.
# preexec_fn would do the same, but may deadlock when another thread holds a lock at the fork.
_LEASH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""

_LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = File
appender.file.type = File
appender.file.name = File
appender.file.fileName = ${sys:log.file}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{HH:mm:ss,SSS} %-5p %c - %m%n
logger.netty.name = org.jboss.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
"""


class LocalCluster:
    """A running Flink for the length of a ``with`` block.

    ``port`` is that of the REST API (default: a free one), ``slots`` the task slots, ``heap`` the
    JVM heap of each process in MiB, ``timeout`` the seconds the start may take. ``configuration``
    adds Flink options. ``folder`` keeps configuration and logs; without one they lie in a
    temporary folder that goes with the cluster.

    Both processes end with the block, with SIGTERM to this process, and (on Linux) with its death.

    Entering raises UsageError if ``port`` is taken, JobError if Flink does not come up.
    """

    def __init__(
        self,
        distribution: Distribution,
        java: Path,
        *,
        port: int | None = None,
        slots: int = 1,
        heap: int = 512,
        timeout: float = 90.0,
        configuration: Mapping[str, object] | None = None,
        folder: Path | None = None,
        progress: Progress = SILENT,
    ) -> None:
        self._distribution = distribution
        self._java = java
        self._port = port
        self._slots = slots
        self._heap = heap
        self._timeout = timeout
        self._configuration = dict(configuration or {})
        self._given_folder = folder
        self._progress = progress
        self._processes: list[subprocess.Popen[bytes]] = []
        self._stack = contextlib.ExitStack()
        self.folder = Path()
        self.rest_url = ""

    @property
    def logs(self) -> Path:
        """The folder with the logs and the standard output of both processes."""
        return self.folder / "log"

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of JobManager and TaskManager."""
        return tuple(process.pid for process in self._processes)

    def taskmanager_output(self) -> Tail:
        """What the job's tasks print, such as the rows of the ``print`` connector."""
        return Tail(self.logs / "taskmanager.out")

    def jobmanager_output(self) -> Tail:
        """What main() prints when the job is submitted by REST."""
        return Tail(self.logs / "jobmanager.out")

    def __enter__(self) -> LocalCluster:
        if self._port is not None:
            _refuse_taken(self._port)
        with contextlib.ExitStack() as stack:
            self.folder = self._make_folder(stack)
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
        if self._given_folder is not None:
            folder = self._given_folder.absolute()
        else:
            folder = Path(tempfile.mkdtemp(prefix="bundle-flink-"))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        for name in ("conf", "log", "tmp", "bin"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for tool in _TOOLS:
            found = shutil.which(tool)
            if found is not None and not (folder / "bin" / tool).exists():
                (folder / "bin" / tool).symlink_to(Path(found).absolute())
        return folder

    def _start(self) -> None:
        rest = self._port or _free_port()
        self.rest_url = f"http://127.0.0.1:{rest}"
        options: dict[str, object] = {
            "jobmanager.rpc.address": "127.0.0.1",
            "jobmanager.bind-host": "127.0.0.1",
            "jobmanager.rpc.port": _free_port(),
            "rest.address": "127.0.0.1",
            "rest.bind-address": "127.0.0.1",
            "rest.port": rest,
            "taskmanager.host": "127.0.0.1",
            "taskmanager.bind-host": "127.0.0.1",
            "taskmanager.numberOfTaskSlots": self._slots,
            "io.tmp.dirs": str(self.folder / "tmp"),
            "web.tmpdir": str(self.folder / "tmp"),
            "web.upload.dir": str(self.folder / "tmp"),
            # TaskManagerRunner takes sizes, where the start scripts compute them.
            "taskmanager.cpu.cores": float(self._slots),
            "taskmanager.memory.framework.heap.size": "128m",
            "taskmanager.memory.task.heap.size": f"{max(self._heap - 128, 64)}m",
            "taskmanager.memory.framework.off-heap.size": "128m",
            "taskmanager.memory.task.off-heap.size": "0m",
            "taskmanager.memory.network.min": "64m",
            "taskmanager.memory.network.max": "64m",
            "taskmanager.memory.managed.size": f"{128 * self._slots}m",
            "taskmanager.memory.jvm-metaspace.size": "384m",
            "taskmanager.memory.jvm-overhead.min": "192m",
            "taskmanager.memory.jvm-overhead.max": "192m",
            **self._configuration,
        }
        config = self.folder / "conf" / config_name(self._distribution.version)
        config.write_text(render_yaml(options, self._distribution.version), encoding="utf-8")
        (self.folder / "conf" / "log4j.properties").write_text(_LOGGING, encoding="utf-8")
        for name, entry in (("jobmanager", _JOBMANAGER), ("taskmanager", _TASKMANAGER)):
            self._processes.append(self._launch(name, entry))

    @property
    def environment(self) -> dict[str, str]:
        """All that Flink's processes see of an environment: Java, a few tools, no Python."""
        home = self._distribution.home
        return {
            "PATH": f"{self._java / 'bin'}:{self.folder / 'bin'}",
            "JAVA_HOME": str(self._java),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "FLINK_CONF_DIR": str(self.folder / "conf"),
            "FLINK_LIB_DIR": str(home / "lib"),
            "FLINK_OPT_DIR": str(home / "opt"),
            "FLINK_PLUGINS_DIR": str(home / "plugins"),
        }

    def java_command(self, name: str, *main: str) -> list[str]:
        """The command that runs a main class of Flink as ``name``, tied to this process's life."""
        return [
            sys.executable,
            "-I",
            "-S",
            "-c",
            _LEASH,
            str(os.getpid()),
            str(self._java / "bin" / "java"),
            f"-Xmx{self._heap}m",
            "-XX:MaxMetaspaceSize=384m",
            "-XX:MaxDirectMemorySize=256m",
            "-XX:+UseSerialGC",
            "-XX:+IgnoreUnrecognizedVMOptions",
            *_MODULE_OPTIONS,
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dlog.file={self.logs / name}.log",
            f"-Dlog4j.configurationFile={(self.folder / 'conf' / 'log4j.properties').as_uri()}",
            "-cp",
            self._distribution.classpath,
            *main,
        ]

    def _launch(self, name: str, entry: str) -> subprocess.Popen[bytes]:
        with (self.logs / f"{name}.out").open("wb") as out:
            return subprocess.Popen(
                self.java_command(name, entry, "--configDir", str(self.folder / "conf")),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _await_taskmanager(self) -> None:
        import httpx

        deadline = time.monotonic() + self._timeout
        with httpx.Client(base_url=self.rest_url, timeout=5.0, trust_env=False) as client:
            while time.monotonic() < deadline:
                self.check()
                with contextlib.suppress(httpx.HTTPError, ValueError):
                    overview = client.get("/overview").json()
                    if overview.get("slots-total", 0) >= self._slots:
                        return
                time.sleep(0.1)
        raise JobError(
            f"Flink {self._distribution.version} did not come up within {self._timeout:g} s.",
            _last_words(self.logs),
            "See whether the machine is busy or short of memory, or allow more time.",
        )

    def check(self) -> None:
        """Raise JobError if the JobManager or the TaskManager has died."""
        for name, process in zip(("JobManager", "TaskManager"), self._processes, strict=True):
            if process.poll() is not None:
                raise JobError(
                    f"The {name} of Flink {self._distribution.version} ended "
                    f"with exit status {process.returncode}.",
                    _last_words(self.logs),
                    f"It ran on the Java in {self._java}.",
                )

    def _stop(self) -> None:
        for process in self._processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._processes:
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
                "Stop what listens there, give another --port, or none to get a free one.",
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
