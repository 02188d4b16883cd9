"""Pipelines on a real cluster: submitting them, watching them, killing their workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from bundler.flink.local.cluster import LocalCluster
from tests.support.flink_support import BundleCommand, taskmanager_pid

ROOT = Path(__file__).parents[2]
WORKLOAD = Path(__file__).with_name("plugins_workload.py")
PIPELINE = "data.zip/job/pipeline.json"
PORTABLE = ROOT / "examples" / "plugins" / "pysam"

# What the plugins need, without avro-python3: SINETStream asks for it, but it owns the folder of
# the avro that PyFlink 2 needs. See docs/reference/plugins.md.
REQUIREMENTS = f"""\
{ROOT / "jobs"}
ekuiper
pynng==0.8.1
cffi
pycparser
sniffio
sinetstream
promise
six
pycryptodomex
pyyaml
zstandard
sinetstream-mqtt
paho-mqtt<2
sinetstream-kafka
kafka-python-ng
"""


def eventually(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until ``condition()`` is true; what it gives."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.2)
    pytest.fail(f"not within {seconds:g} s: {what}")


@dataclass
class Job:
    """A submitted job."""

    master: str
    id: str
    cluster: LocalCluster

    def get(self, path: str = "") -> Any:
        return httpx.get(f"{self.master}/jobs/{self.id}{path}", timeout=60).json()

    @property
    def state(self) -> str:
        return str(self.get()["state"])

    def tasks_run(self) -> bool:
        vertices = self.get()["vertices"]
        return bool(vertices) and all(vertex["status"] == "RUNNING" for vertex in vertices)

    def await_running(self, seconds: float = 90) -> None:
        eventually(self.tasks_run, seconds, "all tasks run")

    def checkpoints(self) -> int:
        return int(self.get("/checkpoints")["counts"]["completed"])

    def await_checkpoint(self, seconds: float = 60) -> None:
        before = self.checkpoints()
        eventually(lambda: self.checkpoints() > before, seconds, "a checkpoint completes")

    def failures(self) -> str:
        history = self.get("/exceptions").get("exceptionHistory", {}).get("entries", [])
        return "\n".join(entry["stacktrace"] for entry in history)

    def cancel(self) -> None:
        """Cancel the job, and wait until it has ended."""
        httpx.patch(f"{self.master}/jobs/{self.id}", timeout=60)
        eventually(lambda: self.state in ENDED, 120, "the job ends")

    def kill_workers(self) -> int:
        """SIGKILL to every Python worker of the TaskManager; how many there were."""
        group = taskmanager_pid(self.cluster)
        killed = 0
        for process in Path("/proc").glob("[0-9]*"):
            try:
                line = (process / "cmdline").read_bytes()
                mine = os.getpgid(int(process.name)) == group
            except OSError:
                continue
            if mine and b"pyflink.fn_execution" in line:
                os.kill(int(process.name), signal.SIGKILL)
                killed += 1
        return killed


ENDED = ("CANCELED", "FAILED", "FINISHED")


@dataclass
class Flink:
    """A cluster and the archives that the pipelines of the tests need on it.

    ``settings`` make the workers use the unpacked venv.zip in place, which saves each of the many
    jobs the unpacking; with ``archived`` a job gets venv.zip itself.
    """

    cluster: LocalCluster
    bundle: BundleCommand
    venv: Path
    deps: Path
    unpacked: Path
    folder: Path
    jobs: list[Job] = field(default_factory=list)

    def run(
        self,
        pipeline: Mapping[str, Any],
        *,
        files: Mapping[str, Path] | None = None,
        jars: tuple[Path, ...] = (),
        archived: bool = False,
        settings: Mapping[str, str] | None = None,
        script: Path | None = None,
        arguments: tuple[str, ...] = (PIPELINE,),
        running: bool = True,
    ) -> Job:
        """Submit ``pipeline`` with ``bundle submit``; ``files`` go beside it into data.zip.

        ``script`` is a program to run instead of the pipeline itself.
        """
        finished = self.submit(
            pipeline,
            files=files,
            jars=jars,
            archived=archived,
            settings=settings,
            script=script,
            arguments=arguments,
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr
        job = Job(self.cluster.rest_url, json.loads(finished.stdout)["job"], self.cluster)
        self.jobs.append(job)
        if running:
            job.await_running()
        return job

    def submit(
        self,
        pipeline: Mapping[str, Any],
        *,
        files: Mapping[str, Path] | None = None,
        jars: tuple[Path, ...] = (),
        archived: bool = False,
        settings: Mapping[str, str] | None = None,
        script: Path | None = None,
        arguments: tuple[str, ...] = (PIPELINE,),
    ) -> subprocess.CompletedProcess[str]:
        """What ``bundle submit`` says and gives."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        content = folder / "job"
        content.mkdir()
        (content / "pipeline.json").write_text(json.dumps(pipeline))
        for name, path in (files or {}).items():
            (content / name).symlink_to(path)
        data = folder / "data.zip"
        self.bundle("data", content, "-o", data)
        options: list[str | Path] = ["--data", data, "--deps", self.deps, "--py-file", WORKLOAD]
        if archived:
            options += ["--venv", self.venv]
        else:
            for key in ("python.executable", "python.client.executable"):
                options += ["-D", f"{key}={self.unpacked}"]
        for key, value in (settings or {}).items():
            options += ["-D", f"{key}={value}"]
        for jar in jars:
            options += ["--jar", jar]
        return self.bundle(
            "submit", "--master", self.cluster.rest_url, "--detached", "--json", *options,
            *(["--script", script] if script else ["--module", "flink_plugins"]), "--", *arguments,
            cwd=folder, check=False,
        )  # fmt: skip


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def numbers(path: Path, instance: int = 0) -> list[int]:
    """The numbers of one instance in the order they arrived; a torn last line is left out."""
    pairs = [line.split() for line in lines(path)]
    return [int(pair[1]) for pair in pairs if len(pair) == 2 and pair[0] == str(instance)]


def make_archives(
    bundle: BundleCommand, folder: Path, flink: str, python: str, requirements: str
) -> tuple[Path, Path, Path]:
    """venv.zip and deps.zip, and the interpreter of the unpacked venv.zip."""
    venv, deps = folder / "venv.zip", folder / "deps.zip"
    target = ("--flink", flink, "--python", python)
    bundle("venv", *target, "-o", venv, "--no-check", cwd=folder)
    (folder / "requirements.txt").write_text(requirements)
    bundle(
        "deps", "-r", folder / "requirements.txt", "--no-deps", "--exclude-in", venv, "-o", deps,
        "--no-check", cwd=folder,
    )  # fmt: skip
    return venv, deps, unpack(venv, folder / "unpacked") / f"venv/bin/python{python}"


@pytest.fixture(scope="session")
def plugin_archives(
    bundle_command: BundleCommand, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Path]:
    """The archives for Flink 2.2.1 and Python 3.11, with all that the plugins need."""
    folder = tmp_path_factory.mktemp("plugins")
    return make_archives(bundle_command, folder, "2.2.1", "3.11", REQUIREMENTS)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a zip with its modes and links."""
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            mode = member.external_attr >> 16
            target = folder / member.filename
            if mode & 0o170000 == 0o120000:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.symlink_to(opened.read(member).decode())
            else:
                opened.extract(member, folder)
                if mode:
                    target.chmod(mode & 0o777)
    return folder


@pytest.fixture
def flink(
    start_cluster: Callable[..., LocalCluster],
    bundle_command: BundleCommand,
    plugin_archives: tuple[Path, Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Flink]:
    """A Flink 2.2.1 with three slots for each test: cancelling can take the TaskManager along."""
    with start_cluster("2.2.1", slots=3) as cluster:
        folder = tmp_path_factory.mktemp("jobs")
        started = Flink(cluster, bundle_command, *plugin_archives, folder)
        yield started
        # Plugins must be closed by their job, not by the end of the TaskManager.
        for job in started.jobs:
            if job.state not in ENDED:
                job.cancel()
