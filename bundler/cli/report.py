"""What a person, or a script, sees: progress on stderr, results on stdout."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from bundler.errors import BundlerError
from bundler.redact import redact
from bundler.support.progress import Progress, Task

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from bundler.flink.values import JobResult
    from bundler.jars.listing import JarFile
    from bundler.lock.changes import LockChanges
    from bundler.session import Session
    from bundler.stages.pack import Packed

_SLOW_SECONDS = 1.0
# Controls but tab and line feed, what turns the direction of text, separators, halves of pairs.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class OutputClosed(Exception):  # noqa: N818 (an event)
    """Whoever read the output has closed it."""


_LINE = 900
"""Characters of a line of an error that are shown; names from outside have any length."""


def visible(text: str) -> str:
    """``text`` from outside as a terminal may show it: control characters are escaped."""
    return _UNSAFE.sub(lambda found: ascii(found[0])[1:-1], text)


def discard_output() -> None:
    """Let nothing more be written to stdout and stderr, what is in their buffers included."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def _print(text: str, stream: TextIO) -> None:
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError as error:
        raise OutputClosed from error


def _say(text: str) -> None:
    _print(_shown(text), sys.stderr)


def _shown(text: str) -> str:
    return visible(redact(text))


@dataclass(frozen=True, slots=True)
class Report:
    """How a command talks. ``json`` gives one JSON document on stdout, ``quiet`` only errors."""

    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print only warnings and errors.")
    ] = False
    json: Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")] = (
        False
    )

    @classmethod
    def of_words(cls, words: Sequence[str]) -> Report:
        """The report that a command line asks for, whether or not its other words are right."""
        options = words[: words.index("--")] if "--" in words else words
        return cls(json="--json" in options)

    def progress(self) -> Progress:
        """Bars on a terminal, plain lines elsewhere, nothing but a job's output when quiet."""
        if self.json or self.quiet:
            return _Quiet(to_stderr=self.json)
        return _Bars() if sys.stderr.isatty() else _Lines()

    def session(self, *, offline: bool = False) -> Session:
        """The session of this command: the user's cache, told about as `progress` does."""
        from bundler.session import Session

        return Session.default(self.progress(), offline=offline)

    def result(self, value: Mapping[str, Any], text: str = "") -> None:
        """The outcome: ``value`` as JSON, or ``text`` for people."""
        if self.json:
            _print(json.dumps(value, indent=2), sys.stdout)
        elif text and not self.quiet:
            _print(visible(text), sys.stdout)

    def table(
        self, value: Mapping[str, Any], columns: Sequence[str], rows: Sequence[Sequence[str]]
    ) -> None:
        """The outcome as a table of aligned columns; numbers are aligned by the caller."""
        # A line feed in a cell would look like another row.
        cells = [[visible(cell).replace("\n", "\\n") for cell in row] for row in [columns, *rows]]
        widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in cells
        ]
        self.result(value, "\n".join(lines))

    def written(self, kind: str, paths: Sequence[Path], then: str = "") -> None:
        """The outcome as the files that were written, and what to do ``then``."""
        lines = [f"wrote {path}" for path in paths] + ([then] if then else [])
        self.result({kind: [str(path) for path in paths]}, "\n".join(lines))

    def locks(self, changes: Sequence[LockChanges]) -> None:
        """The outcome as what happened to each lock, package by package."""
        self.result(
            {"locks": [_lock(change) for change in changes]},
            "\n".join(line for change in changes for line in _lock_lines(change)),
        )

    def archives(self, packed: Sequence[Packed], jars: Sequence[JarFile] = ()) -> None:
        """The outcome as archives: file, size, seconds that writing took, sha256."""
        rows = [
            [
                str(item.archive.path),
                megabytes(item.archive.size),
                f"{item.seconds:5.2f} s",
                f"{len(item.packages) or '-':>8}",
                item.archive.sha256,
            ]
            for item in packed
        ]
        rows += [[_relative(jar.path), megabytes(jar.size), "", "", jar.sha256] for jar in jars]
        value = {"archives": [_archive(item) for item in packed]}
        if jars:
            value["jars"] = [
                {"file": str(jar.path), "size": jar.size, "sha256": jar.sha256} for jar in jars
            ]
        self.table(value, ["file", "size", "time", "packages", "sha256"], rows)

    def job(self, result: JobResult) -> None:
        """The outcome as a job and its state."""
        master = redact(result.master)
        self.result(
            {"job": result.job_id, "state": result.state, "master": master},
            f"Job {result.job_id} on {master}: {result.state}",
        )

    def error(self, error: BundlerError) -> None:
        """What went wrong, in at most three lines; with ``json`` as a document on stdout."""
        if self.json:
            found = {
                "kind": type(error).__name__,
                "found": error.found,
                "expected": error.expected,
                "remedy": error.remedy,
            }
            _print(json.dumps({"error": found}, indent=2), sys.stdout)
        else:
            # Not splitlines: it also ends a line at separators that come from outside.
            lines = f"error: {error}".split("\n")
            _say("\n".join(line if len(line) <= _LINE else f"{line[:_LINE]}..." for line in lines))


def _lock(change: LockChanges) -> dict[str, Any]:
    return {
        "file": str(change.path),
        "added": dict(change.added),
        "removed": dict(change.removed),
        "changed": {name: list(pair) for name, pair in change.changed.items()},
    }


def _lock_lines(change: LockChanges) -> list[str]:
    kinds = ((change.added, "added"), (change.removed, "removed"), (change.changed, "changed"))
    counts = ", ".join(f"{len(found)} {word}" for found, word in kinds if found)
    return [
        f"{_relative(change.path)}: {counts or 'no change'}",
        *(f"  + {name} {version}" for name, version in change.added.items()),
        *(f"  - {name} {version}" for name, version in change.removed.items()),
        *(f"  ~ {name} {old} -> {new}" for name, (old, new) in change.changed.items()),
    ]


def megabytes(size: int) -> str:
    """A size for people, right-aligned."""
    return f"{size / 1e6:7.1f} MB" if size >= 1e6 else f"{size / 1e3:7.1f} kB"


def _archive(item: Packed) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "file": str(item.archive.path),
        "size": item.archive.size,
        "entries": item.archive.entries,
        "seconds": round(item.seconds, 3),
        "sha256": item.archive.sha256,
        "packages": dict(sorted(item.packages.items())),
        "executable": item.executable,
    }


def _relative(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


class _Quiet(Progress):
    def __init__(self, *, to_stderr: bool) -> None:
        self._stream = sys.stderr if to_stderr else sys.stdout

    def warn(self, text: str) -> None:
        _say(f"warning: {text}")

    def output(self, line: str) -> None:
        _print(visible(line), self._stream)


class _Lines(Progress):
    """One line when work begins that turns out to be long, and when it has ended."""

    @contextmanager
    def task(self, text: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        started = time.monotonic()
        timer = threading.Timer(_SLOW_SECONDS, _say, [f"{text} ..."])
        timer.daemon = True
        timer.start()
        try:
            yield Task()
        finally:
            timer.cancel()
        seconds = time.monotonic() - started
        if seconds >= _SLOW_SECONDS:
            _say(f"{text}: {seconds:.1f} s")

    def note(self, text: str) -> None:
        _say(text)

    def warn(self, text: str) -> None:
        _say(f"warning: {text}")

    def output(self, line: str) -> None:
        _print(visible(line), sys.stdout)


class _Bars(Progress):
    """rich's bars; all tasks share one display, which is there while any of them runs."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._running = 0

    @contextmanager
    def task(self, text: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        bars = self._bars or self._start()
        self._running += 1
        size = f"{total / 1e6:,.0f} MB" if unit == "B" and total else ""
        row = bars.add_task(_shown(text), total=total, size=size)
        try:
            yield _Row(bars, row)
        finally:
            bars.remove_task(row)
            self._running -= 1
            if self._running == 0:
                bars.stop()
                self._bars = None

    def _start(self) -> Bars:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            SpinnerColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
        )
        from rich.progress import Progress as Bars

        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[size]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._bars.start()
        return self._bars

    def note(self, text: str) -> None:
        self._print(_shown(text), sys.stderr)

    def warn(self, text: str) -> None:
        self._print(_shown(f"warning: {text}"), sys.stderr)

    def output(self, line: str) -> None:
        self._print(visible(line), sys.stdout)

    def _print(self, text: str, stream: TextIO) -> None:
        if self._bars is not None and stream.isatty():
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            _print(text, stream)


class _Row(Task):
    def __init__(self, bars: Bars, row: TaskID) -> None:
        self._bars = bars
        self._row = row

    def advance(self, amount: int = 1) -> None:
        self._bars.advance(self._row, amount)

    def describe(self, text: str) -> None:
        self._bars.update(self._row, description=_shown(text))
