"""Embedded plugins against what a PyFlink program would use instead, on a real cluster.

Competitors take turns. A run is warm after a million records, the same for all since Java's
compiler counts calls and not seconds, and is then counted for ten seconds; ``seconds`` are those
for a million records. All have the settings that were best for the native ones: object reuse, and
for functions a bundle of 10,000 records (by default, 1,000, they wait for each other most of the
time). The notes say how busy the Python worker and the TaskManager were, in CPUs.
"""

from __future__ import annotations

import re
import statistics
import sys
import time
from datetime import datetime, timezone

from tests.benchmarks.harness import Measured, Table, scratch
from tests.benchmarks.onflink import Archives, archives, running, wait_for

PAIRS = (
    ("function:process", "native:process"),
    ("function-batched:process", "native-batched:process"),
    ("function:thread", "native:thread"),
    ("plugin-source:process", "flat-map:process"),
    ("plugin-source:thread", "flat-map:thread"),
)
LATENCY = "latency"
WARM_RECORDS, COUNTED = 1e6, 10.0


def run(runs: int) -> Table:
    """Measure every variant ``runs`` times, taking turns."""
    rates: dict[str, list[float]] = {name: [] for pair in PAIRS for name in reversed(pair)}
    notes = []
    with scratch("plugins") as folder:
        made = archives(folder)
        for _ in range(runs):
            for variant, values in rates.items():
                rate, said = throughput(made, variant)
                values.append(rate)
                notes.append(f"{variant}: {said}")
                print(f"  {notes[-1]}", file=sys.stderr)
            for said in (f"into Flink: {arrival(made)}", f"to a sink plugin: {latency(made)}"):
                notes.append(f"1,000 records/s, from emit {said}")
                print(f"  {notes[-1]}", file=sys.stderr)
    for ours, native in PAIRS:
        ratios = [a / b for a, b in zip(rates[ours], rates[native], strict=True)]
        each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
        notes.append(f"{ours} / {native}: {statistics.median(ratios):.2f} ({each})")
    rows = tuple(
        Measured(variant, tuple(1e6 / rate for rate in values)) for variant, values in rates.items()
    )
    return Table("Plugins: seconds for a million records", rows, "native:process", tuple(notes))


def throughput(made: Archives, variant: str) -> tuple[float, str]:
    """Records a second of one run, and a line about it."""
    with running(made, *variant.split(":")) as job:
        wait_for(lambda: job.taken() >= WARM_RECORDS)
        since = time.time()
        began, before = job.counted()
        worker, manager = job.seconds_of_cpu()
        time.sleep(COUNTED)
        worker_end, manager_end = job.seconds_of_cpu()
        ended, after = job.counted()
        durations = job.checkpoints(since)
    seconds, rate = ended - began, (after - before) / (ended - began)
    return rate, (
        f"{rate:,.0f} records/s, checkpoints of {durations} ms, "
        f"worker {(worker_end - worker) / seconds:.2f}, "
        f"TaskManager {(manager_end - manager) / seconds:.2f} CPUs"
    )


def arrival(made: Archives) -> str:
    """From emit to the next operator, in Java: 10,000 records after the first 10,000.

    Java's clock has milliseconds and cuts the rest off, so that one is added.
    """
    with running(made, "arrival", "process") as job:
        printed = job.cluster.logs / "taskmanager.out"
        wait_for(lambda: printed.read_bytes().count(b"+I[") > 20000)
        lines = re.findall(r"\+I\[([\d.E]+), ([^\]]+)\]", printed.read_text())[10000:20000]
    taken = sorted(
        datetime.fromisoformat(arrived).replace(tzinfo=timezone.utc).timestamp() - float(sent)
        for sent, arrived in lines
    )
    places = (("p50", 5000), ("p99", 9900), ("max", -1))
    return ", ".join(f"{name} {taken[place] * 1000 + 1:.1f} ms" for name, place in places)


def latency(made: Archives) -> str:
    """From emit to a sink that is a plugin too: 10,000 records after the first 10,000."""
    with running(made, LATENCY, "process") as job:
        wait_for(lambda: job.metric(".p50") and job.metric(".p99") and job.metric(".max"))
        found = {name: (job.metric("." + name) or 0.0) / 1000 for name in ("p50", "p99", "max")}
    return ", ".join(f"{name} {value:.1f} ms" for name, value in found.items())
