"""How long work reports on itself without printing: the command line supplies the real thing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Task:
    """One running piece of work; ``advance`` takes units done (bytes, entries, wheels)."""

    def advance(self, amount: int = 1) -> None:
        """Count ``amount`` more units as done."""

    def describe(self, text: str) -> None:
        """Replace the text shown beside the bar."""


class Progress:
    """Reports nothing; ``bundler.cli`` has the one that draws."""

    @contextmanager
    def task(self, text: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        """Show ``text`` while the block runs; ``total`` in ``unit`` ("B" for bytes)."""
        yield Task()

    def note(self, text: str) -> None:
        """Say something worth knowing, such as which base was taken and why."""

    def warn(self, text: str) -> None:
        """Say something that may fail on the target."""

    def output(self, line: str) -> None:
        """Pass on one line that a running job or build printed."""


SILENT = Progress()
