"""The command's own start, beside a Python that does nothing."""

from __future__ import annotations

import sys

from tests.benchmarks.harness import BUNDLE, Competitor, Table, measure

BARE = "python -c pass"


def run(runs: int) -> Table:
    rows = measure(
        [
            Competitor("bundle --help", [BUNDLE, "--help"]),
            Competitor("bundle venv --help", [BUNDLE, "venv", "--help"]),
            Competitor(BARE, [sys.executable, "-c", "pass"]),
        ],
        max(runs, 11),
    )
    return Table("Starting", rows, BARE)
