"""Ten minutes of a push source as fast as it goes: memory, rate and every checkpoint."""

from __future__ import annotations

import os
import sys
import time

from tests.benchmarks.harness import Measured, Table, scratch
from tests.benchmarks.onflink import archives, running, wait_for
from tests.benchmarks.plugins import WARM_RECORDS

MINUTES = 10
SOURCE = "plugin-source"


def run(runs: int) -> Table:
    """One soak, whatever ``runs`` says; a run of the table is one of its minutes.

    The notes say of each minute the resident memory at its end, in MB.
    """
    rates: list[float] = []
    notes: list[str] = []
    largest = 0
    with scratch("soak") as folder, running(archives(folder), SOURCE, "process") as job:
        wait_for(lambda: job.taken() >= WARM_RECORDS)
        since = time.time()
        began, before = job.counted()
        for minute in range(1, MINUTES + 1):
            time.sleep(max(0.0, since + 60 * minute - time.time()))
            ended, after = job.counted()
            rates.append((after - before) / (ended - began))
            began, before = ended, after
            worker, manager = job.resident()
            largest = max(largest, worker, manager)
            notes.append(
                f"minute {minute}: {rates[-1]:,.0f} records/s, worker {worker / 1e6:.0f} MB, "
                f"TaskManager {manager / 1e6:.0f} MB, load {os.getloadavg()[0]:.1f}"
            )
            print(f"  {notes[-1]}", file=sys.stderr)
        durations = sorted(job.checkpoints(since))
    notes.append(
        f"{len(durations)} checkpoints: median {durations[len(durations) // 2]} ms, "
        f"p99 {durations[int(len(durations) * 0.99)]} ms, longest {durations[-1]} ms"
    )
    rows = (Measured(SOURCE, tuple(1e6 / rate for rate in rates), largest),)
    return Table("Soak: seconds for a million records", rows, SOURCE, tuple(notes))
