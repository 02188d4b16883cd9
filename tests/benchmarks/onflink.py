"""Jobs of the benchmarks on clusters of their own, and what Flink and Linux say of them.

Each job gets a cluster of its own: cancelling a job with Python operators can take the TaskManager
with it ("Reference count must not be negative", Beam in Flink 2.2.1), and in thread mode a
TaskManager on Java 17 runs one such job only.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bundler.flink.distribution import flink_distribution
from bundler.flink.local.cluster import LocalCluster
from bundler.flink.local.cluster_options import ClusterOptions
from bundler.flink.local.java import find_java
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.target import Target
from tests.benchmarks.harness import BUNDLE, ROOT
from tests.support.flink_support import taskmanager_pid

JOB = Path(__file__).parent / "jobs" / "plugins_job.py"
FLINK, PYTHON = "2.2.1", "3.11"
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Archives:
    """venv.zip, deps.zip with the plugins' code, and the interpreter of the unpacked venv.zip."""

    venv: Path
    deps: Path
    interpreter: Path


def archives(folder: Path) -> Archives:
    """Make them in ``folder``."""
    venv, deps = folder / "venv.zip", folder / "deps.zip"
    _bundle("venv", "--flink", FLINK, "--python", PYTHON, "-o", venv)
    (folder / "requirements.txt").write_text(f"{ROOT / 'jobs'}\n")
    _bundle(
        "deps", "-r", folder / "requirements.txt", "--no-deps", "--exclude-in", venv, "-o", deps
    )
    subprocess.run(["unzip", "-q", str(venv), "-d", str(folder / "unpacked")], check=True)
    return Archives(venv, deps, folder / "unpacked" / "venv" / "bin" / f"python{PYTHON}")


def _bundle(*arguments: object) -> str:
    return subprocess.run(
        [str(BUNDLE), *map(str, arguments)], check=True, capture_output=True, text=True
    ).stdout


@dataclass
class Running:
    """A job on its cluster."""

    cluster: LocalCluster
    job: str
    _found: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)

    def get(self, path: str = "", **parameters: str) -> Any:
        """What the REST API says below the job's own address."""
        url = f"{self.cluster.rest_url}/jobs/{self.job}{path}"
        return httpx.get(url, params=parameters, timeout=10, trust_env=False).json()

    def metric(self, ending: str, within: str = "") -> float | None:
        """The greatest value of the metrics of that ending; None while there is none."""
        known = self._found.get((ending, within))
        if not known:
            known = [
                (path, entry["id"])
                for vertex in self.get()["vertices"]
                for path in [f"/vertices/{vertex['id']}/metrics"]
                for entry in self.get(path)
                if entry["id"].endswith(ending) and within in entry["id"]
            ]
            self._found[ending, within] = known
        values = [float(found["value"]) for path, id_ in known for found in self.get(path, get=id_)]
        return max(values, default=None)

    def taken(self) -> float:
        """How many records the blackhole took."""
        return self.metric(".numRecordsIn", "gone") or 0.0

    def counted(self) -> tuple[float, float]:
        """The time in seconds, and how many records the blackhole had taken then.

        Flink answers with what it has and asks for more: the moment to look is when it changes.
        """
        before = self.taken()
        deadline = time.monotonic() + 30
        while (now := self.taken()) == before:
            if time.monotonic() > deadline:
                raise TimeoutError("no record arrives any more")
            time.sleep(0.02)
        return time.monotonic(), now

    def checkpoints(self, since: float = 0.0) -> list[int]:
        """Milliseconds of each completed checkpoint that was triggered after ``since``."""
        return [
            each["end_to_end_duration"]
            for each in reversed(self.get("/checkpoints")["history"])
            if each["status"] == "COMPLETED" and each["trigger_timestamp"] >= since * 1000
        ]

    def workers(self) -> list[int]:
        """The process ids of the Python workers."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                line = (process / "cmdline").read_bytes()
                mine = os.getpgid(int(process.name)) == taskmanager_pid(self.cluster)
            except OSError:
                continue
            if mine and b"pyflink.fn_execution" in line and b"python" in line.split(b"\0")[0]:
                found.append(int(process.name))
        return found

    def resident(self) -> tuple[int, int]:
        """Bytes of memory of the Python workers together, and of the TaskManager."""
        return sum(map(_resident, self.workers())), _resident(taskmanager_pid(self.cluster))

    def seconds_of_cpu(self) -> tuple[float, float]:
        """Seconds that the Python workers and the TaskManager have computed."""
        return sum(map(_computed, self.workers())), _computed(taskmanager_pid(self.cluster))


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _computed(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


@contextmanager
def running(archives: Archives, variant: str, mode: str) -> Iterator[Running]:
    """The job ``variant`` of plugins_job.py on a fresh cluster.

    In process mode venv.zip is used where it was unpacked, which saves time; thread mode finds
    deps.zip only beside the archive that Flink unpacked itself.
    """
    target, cache = Target.parse(flink=FLINK), Cache.default()
    with LocalCluster(
        flink_distribution(target, Session(cache)),
        find_java(target, Session(cache)),
        ClusterOptions(
            configuration={"metrics.fetcher.update-interval": 100, "web.checkpoints.history": 1000}
        ),
    ) as cluster:
        settings: list[str | Path] = ["--venv", archives.venv]
        if mode == "process":
            settings = [
                word
                for key in ("python.executable", "python.client.executable")
                for word in ("-D", f"{key}={archives.interpreter}")
            ]
        said = _bundle(
            "submit", "--master", cluster.rest_url, "--detached", "--json", "--py-file", JOB,
            "--deps", archives.deps, *settings, "--module", JOB.stem, "--", variant, mode,
        )  # fmt: skip
        yield Running(cluster, json.loads(said)["job"])


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait until ``condition()`` is true. Raises TimeoutError."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the job does not get going")
        time.sleep(0.25)
