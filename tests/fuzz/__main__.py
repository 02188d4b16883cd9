"""``python -m tests.fuzz [TARGET ...]``: atheris on the readers, a table at the end."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

LONGER = 300
"""Seconds that a process may take beyond its time before it is ended."""


def main() -> None:
    """Run the targets, each in a process of its own; exit code 1 if one has findings."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", help="default: all")
    parser.add_argument("--seconds", type=int, default=600, help="for each target")
    parser.add_argument("--at-once", type=int, default=2, help="targets that run beside each other")
    parser.add_argument("--keep", type=Path, default=Path(".fuzz"), help="reports and findings")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        feed(arguments.targets[0], arguments.seconds, arguments.keep)
    from tests.fuzz.targets import TARGETS

    names = arguments.targets or list(TARGETS)
    with ThreadPoolExecutor(arguments.at_once) as pool:
        rows = list(
            pool.map(lambda name: fuzz(name, arguments.seconds, arguments.keep / name), names)
        )
    print(table(rows))
    sys.exit(any(row["found"] for row in rows))


def feed(name: str, seconds: int, keep: Path) -> None:
    """Run one target in this process, which ends with it."""
    import atheris

    with atheris.instrument_imports(include=["bundler", "packaging", "elftools", "installer"]):
        from tests.fuzz.run import Feeder, limit, run_atheris
        from tests.fuzz.targets import TARGETS, sample_set

    target = TARGETS[name]
    corpus = keep / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for data in sample_set(target):
        (corpus / sha256(data).hexdigest()[:16]).write_bytes(data)
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=keep) as folder:
        limit()
        run_atheris(Feeder(target, Path(folder), keep), corpus, seconds)


def fuzz(name: str, seconds: int, keep: Path) -> dict[str, Any]:
    """Run the target ``name`` for ``seconds``; its report, with the coverage that was reached."""
    keep.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz", name, "--inside"]
    command += ["--seconds", str(seconds), "--keep", str(keep)]
    log = keep / "log"
    with log.open("wb") as output:
        finished = subprocess.run(
            command, stdout=output, stderr=subprocess.STDOUT, timeout=seconds + LONGER
        )
    report: dict[str, Any] = json.loads((keep / "report.json").read_text(encoding="utf-8"))
    if finished.returncode:
        report["found"][f"ended with {finished.returncode}"] = log.read_text(errors="replace")[
            -2000:
        ]
    covered = re.findall(r"cov: (\d+)", log.read_text(errors="replace"))
    return {"name": name, **report, "edges": int(covered[-1]) if covered else 0}


def table(rows: list[dict[str, Any]]) -> str:
    """The reports as a table in Markdown, and what was found."""
    lines = [
        "| reader | seconds | inputs | read | kinds of refusal | edges | peak memory | longest "
        "| findings |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        lines.append(
            f"| {row['name']} | {row['seconds']:.0f} | {row['inputs']:,} | {row['values']:,} | "
            f"{len(row['kinds'])} | {row['edges']:,} | {row['peak']:.0f} MB | "
            f"{row['longest']:.2f} s | {len(row['found'])} |"
        )
    for row in rows:
        for kind, shown in row["found"].items():
            lines += ["", f"{row['name']}: {kind}", shown]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
