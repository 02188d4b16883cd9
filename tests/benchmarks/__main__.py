"""Runs the benchmarks that are named, or all; prints their tables and keeps them as JSON."""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

import tests.benchmarks
from tests.benchmarks.harness import Skipped, keep, show


def main() -> int:
    names = [
        module.name
        for module in pkgutil.iter_modules(tests.benchmarks.__path__)
        if module.name not in ("__main__", "harness", "onflink")
    ]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(names)}")
    parser.add_argument("--runs", type=int, default=5, help="runs of each competitor (5)")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    failed = False
    for name in arguments.names or names:
        module = importlib.import_module(f"tests.benchmarks.{name}")
        try:
            table = module.run(arguments.runs)
        except Skipped as reason:
            print(f"{name}: {reason}", file=sys.stderr)
            failed = True
            continue
        show(table)
        print(f"Kept as {keep(name, table)}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
