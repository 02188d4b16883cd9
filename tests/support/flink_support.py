"""Helpers of the tests that start a real Flink."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bundler.flink.local.cluster import LocalCluster
from bundler.flink.values import JobBundle
from bundler.jars.listing import jar_list
from bundler.support.progress import Progress
from bundler.target import Target

JOBS = Path(__file__).parent / "flink_jobs"
BundleCommand = Callable[..., "subprocess.CompletedProcess[str]"]
BUNDLE = shutil.which("bundle", path=str(Path(sys.executable).parent)) or "bundle"


class Recorder(Progress):
    """Keeps what a stage reports."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def output(self, line: str) -> None:
        self.lines.append(line)


@dataclass(frozen=True)
class Example:
    """A copy of examples/opencv, built for ``target``."""

    folder: Path
    target: Target

    @property
    def dist(self) -> Path:
        return self.folder / "dist"

    def bundle(self, script: Path | None = None, **changes: object) -> JobBundle:
        """The built archives as a value, with the example's job or ``script``."""
        values: dict[str, object] = {
            "venv": self.dist / "venv.zip",
            "deps": self.dist / "deps.zip",
            "data": (self.dist / "models.zip",),
            "jars": jar_list([self.folder / "jars" / "shout.jar"]),
            "script": script or self.folder / "job.py",
            "parallelism": 1,
        }
        return JobBundle(
            self.target,
            f"venv.zip/venv/bin/python{self.target.python_minor}",
            **(values | changes),  # type: ignore[arg-type]
        )


def commands_naming(text: str) -> list[str]:
    """The command lines of the living processes that have ``text`` in them."""
    return list(_processes_naming(text).values())


def taskmanager_pid(cluster: LocalCluster) -> int:
    """The process id of a running cluster's TaskManager, which leads a group of its own."""
    named = _processes_naming(str(cluster.folder))
    (pid,) = (pid for pid, line in named.items() if ".TaskManagerRunner " in line)
    return pid


def processes_within(folder: Path) -> list[str]:
    """The command lines of the processes whose Flink has its configuration below ``folder``.

    Python workers inherit that from the TaskManager, whatever their own command line says.
    """
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"FLINK_CONF_DIR={folder}/".encode() in (process / "environ").read_bytes():
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def await_that(condition: Callable[[], bool], seconds: float) -> None:
    """Wait until ``condition`` holds; fails the test if it does not within ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not so after {seconds:g} s"
        time.sleep(0.05)


def _processes_naming(text: str) -> dict[int, str]:
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if text in line and state != "Z" and int(process.name) != os.getpid():
            found[int(process.name)] = line
    return found


@contextmanager
def running(
    *arguments: str | Path, cwd: Path, env: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A child process that is killed if the test leaves it running."""
    process = subprocess.Popen(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
