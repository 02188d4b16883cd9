"""Competitors run in turns, measured from outside: wall time, peak memory, size of the result."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / ".bench"
BUNDLE = Path(sys.executable).parent / "bundle"


class Skipped(Exception):  # noqa: N818 - not an error: something this machine lacks
    """The benchmark cannot run here, and why."""


@dataclass(frozen=True)
class Competitor:
    """A command to measure; ``before`` runs untimed ahead of each run, ``makes`` is its result."""

    name: str
    command: Sequence[str | Path]
    makes: Path | None = None
    before: Callable[[], None] = lambda: None
    cwd: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """What came out: ``seconds`` of each run, ``peak`` memory and ``size`` of the result in bytes.

    ``peak`` is the largest of any one process (getrusage, ru_maxrss); a program inherits the peak
    of the one that starts it, so that nothing shows less than the harness itself, some 40 MB.
    """

    name: str
    seconds: tuple[float, ...]
    peak: int = 0
    size: int = 0

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


@dataclass(frozen=True)
class Table:
    """The rows of one benchmark; ratios are to the row called ``reference``."""

    title: str
    rows: tuple[Measured, ...]
    reference: str
    notes: tuple[str, ...] = ()


def measure(competitors: Sequence[Competitor], runs: int) -> tuple[Measured, ...]:
    """Run each of ``competitors`` ``runs`` times after one unmeasured run, taking turns.

    Taking turns lets a slow minute of the machine meet all of them.
    """
    results: dict[str, list[tuple[float, int]]] = {item.name: [] for item in competitors}
    for number in range(runs + 1):
        for item in competitors:
            outcome = _once(item)
            label = f"run {number}" if number else "warm-up"
            print(f"  {item.name}, {label}: {outcome[0]:.2f} s", file=sys.stderr)
            if number:
                results[item.name].append(outcome)
    return tuple(
        Measured(
            item.name,
            tuple(seconds for seconds, _ in results[item.name]),
            max(peak for _, peak in results[item.name]),
            item.makes.stat().st_size if item.makes else 0,
        )
        for item in competitors
    )


def _once(item: Competitor) -> tuple[float, int]:
    if item.makes is not None:
        item.makes.unlink(missing_ok=True)
    item.before()
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            [str(part) for part in item.command],
            cwd=item.cwd,
            env={**_environment(), **item.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            said = output.read().decode(errors="replace")
            raise RuntimeError(f"{item.name} ended with {process.returncode}:\n{said[-2000:]}")
    return seconds, usage.ru_maxrss * 1024


def _environment() -> dict[str, str]:
    """This environment, but with bytecode kept, as on anybody's machine."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def scratch(name: str) -> Iterator[Path]:
    """A folder for one benchmark, on the disk of the project, removed afterwards."""
    RESULTS.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=RESULTS))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def need(*programs: str) -> None:
    """Raise Skipped if one of ``programs`` is not on PATH."""
    for program in programs:
        if shutil.which(program) is None:
            raise Skipped(f"{program} is not on PATH")


def keep(name: str, table: Table) -> Path:
    """Keep ``table`` as JSON, with what is needed to read it later; returns the path."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    document = {
        **asdict(table),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
    }
    for row, measured in zip(document["rows"], table.rows, strict=True):
        row["median"] = measured.median
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path.relative_to(ROOT)


def show(table: Table) -> None:
    """Print ``table``."""
    from rich.console import Console
    from rich.table import Table as Grid

    reference = next(row.median for row in table.rows if row.name == table.reference)
    grid = Grid(title=table.title)
    grid.add_column("", no_wrap=True)
    for heading in ("median", "fastest", f"x {table.reference}", "peak memory", "result"):
        grid.add_column(heading, justify="right")
    for row in table.rows:
        grid.add_row(
            row.name,
            f"{row.median:.3f} s",
            f"{min(row.seconds):.3f} s",
            f"{row.median / reference:.2f}",
            f"{row.peak / 1e6:.0f} MB" if row.peak else "",
            f"{row.size / 1e6:.1f} MB" if row.size else "",
        )
    console = Console(emoji=False, markup=False)
    console.print(grid)
    for note in table.notes:
        console.print(note, soft_wrap=True)
