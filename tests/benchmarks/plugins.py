"""Embedded plugins against what a PyFlink program would use instead, on a real cluster.

Each competitor gets a cluster of its own: cancelling a job with Python operators can take the
TaskManager with it ("Reference count must not be negative", Beam in Flink 2.2.1). A run is
counted for ten seconds after it has warmed up; ``seconds`` are those for a million records.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from bundler.cache import Cache
from bundler.flink.cluster import LocalCluster
from bundler.flink.distribution import flink_distribution
from bundler.flink.java import find_java
from bundler.target import Target
from tests.benchmarks.harness import BUNDLE, ROOT, Measured, Table

JOB = Path(__file__).parent / "jobs" / "plugins_job.py"
FLINK = "2.2.1"
VARIANTS = (
    "native:process",
    "function:process",
    "native-batched:process",
    "function-batched:process",
    "native:thread",
    "function:thread",
    "flat-map-source:process",
    "plugin-source:process",
    "plugin-source:thread",
    "latency:process",
)
WARM, COUNTED = 5.0, 10.0


class Running:
    """One variant on its cluster."""

    def __init__(self, master: str, job: str) -> None:
        self.master, self.job = master, job

    def get(self, path: str = "", **parameters: str) -> list[dict[str, str]] | dict[str, object]:
        url = f"{self.master}/jobs/{self.job}{path}"
        return httpx.get(url, params=parameters, timeout=10, trust_env=False).json()

    def metrics(self, *endings: str) -> dict[str, float]:
        """The greatest value of each metric with one of ``endings``, by ending."""
        values: dict[str, float] = {}
        for vertex in self.get()["vertices"]:  # type: ignore[call-overload]
            path = f"/vertices/{vertex['id']}/metrics"
            for entry in self.get(path):
                for ending in endings:
                    if entry["id"].endswith(ending):  # type: ignore[index]
                        found = self.get(path, get=entry["id"])  # type: ignore[index]
                        if found:
                            value = float(found[0]["value"])  # type: ignore[index, arg-type]
                            values[ending] = max(values.get(ending, 0.0), value)
        return values


LATENCY = (".p50", ".p99")


def run(runs: int) -> Table:
    """Measure every variant ``runs`` times, taking turns."""
    folder = Path(tempfile.mkdtemp(prefix="bench-plugins-"))
    bundle("venv", "--flink", FLINK, "--python", "3.11", "-o", folder / "venv.zip")
    (folder / "requirements.txt").write_text(f"{ROOT / 'jobs'}\n")
    bundle(
        "deps", "-r", folder / "requirements.txt", "--no-deps", "--exclude-in",
        folder / "venv.zip", "-o", folder / "deps.zip",
    )  # fmt: skip
    seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    notes = []
    for _ in range(runs):
        for variant in VARIANTS:
            rate, said = once(variant, folder)
            seconds[variant].append(1e6 / rate)
            notes.append(f"{variant}: {said}")
            print(f"  {notes[-1]}", file=sys.stderr)
    rows = tuple(
        Measured(variant, tuple(values))
        for variant, values in seconds.items()
        if not variant.startswith("latency")
    )
    return Table("Plugins: seconds for a million records", rows, "native:process", tuple(notes))


def bundle(*arguments: object) -> str:
    """Run the command; what it printed."""
    return subprocess.run(
        [str(BUNDLE), *map(str, arguments)], check=True, capture_output=True, text=True
    ).stdout


def once(variant: str, folder: Path) -> tuple[float, str]:
    """Records a second of one run, and a line about its rate, latency and checkpoints."""
    target, cache = Target.parse(flink=FLINK), Cache.default()
    with LocalCluster(
        flink_distribution(target, cache),
        find_java(target, cache),
        configuration={"metrics.fetcher.update-interval": 1000},
    ) as cluster:
        name, mode = variant.split(":")
        said = bundle(
            "submit", "--master", cluster.rest_url, "--detached", "--json", "--py-file", JOB,
            "--venv", folder / "venv.zip", "--deps", folder / "deps.zip",
            "--module", "plugins_job", "--", name, mode,
        )  # fmt: skip
        job = Running(cluster.rest_url, json.loads(said)["job"])
        if name == "latency":
            wait_for(lambda: len(job.metrics(*LATENCY)) == 2)
            time.sleep(WARM + COUNTED)
            found = job.metrics(*LATENCY)
            return 1000.0, ", ".join(f"{k[1:]} {v / 1000:.1f} ms" for k, v in found.items())
        wait_for(lambda: taken(job) > 0)
        time.sleep(WARM)
        before, began = taken(job), time.monotonic()
        time.sleep(COUNTED)
        rate = (taken(job) - before) / (time.monotonic() - began)
        history = job.get("/checkpoints")["history"]  # type: ignore[call-overload]
        durations = [each["end_to_end_duration"] for each in history]
        middle = statistics.median(durations) if durations else float("nan")
        return rate, f"{rate:,.0f} records/s, checkpoint {middle:.0f} ms"


def taken(job: Running) -> float:
    """How many records the blackhole took."""
    values = [0.0]
    for vertex in job.get()["vertices"]:  # type: ignore[call-overload]
        path = f"/vertices/{vertex['id']}/metrics"
        for entry in job.get(path):
            identifier = str(entry["id"])  # type: ignore[index]
            if "gone" in identifier and identifier.endswith(".numRecordsIn"):
                values += [float(each["value"]) for each in job.get(path, get=identifier)]  # type: ignore[index, arg-type]
    return max(values)


def wait_for(condition: object) -> None:
    """Wait up to two minutes."""
    deadline = time.monotonic() + 120
    while not condition():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise TimeoutError("the job does not get going")
        time.sleep(0.5)
