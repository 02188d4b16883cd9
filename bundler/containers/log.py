"""The log of a build: a file with every line, a spinner with the latest."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from bundler.errors import BuildError
from bundler.session import Session
from bundler.support.files import fault
from bundler.support.progress import Progress, Task

_LARGEST = 256 << 20
_SHOWN = 15
_SEARCHED = 120
_COMPILER = re.compile(r":\d+: (fatal )?error: ")
_WIDTH = 100
# Colours and cursor movements (ECMA-48 control sequences).
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\r(?!\n)")

_ERROR = re.compile(r"\b(fatal |\w*)error\b:|No such file|not found", re.IGNORECASE)
# What pip says after every failure, whatever the cause.
_ECHO = re.compile(
    r"error: (subprocess-exited|metadata-generation|Failed)|originates from a sub", re.I
)


class Log:
    """A running build's log; ``path`` is the file, which ends after 256 MiB."""

    def __init__(self, path: Path, file: TextIO, text: str, task: Task, progress: Progress) -> None:
        self.path = path
        self._recent: deque[str] = deque(maxlen=_SEARCHED)
        self._file = file
        self._text = text
        self._task = task
        self._progress = progress
        self._left = _LARGEST

    def heading(self, text: str) -> None:
        """Begin another piece of the same build."""
        self._text = text
        self._task.describe(text)
        self.line(f"--- {text}")

    def line(self, line: str) -> None:
        """Take one line that the build printed."""
        line = _CONTROL.sub("", line).rstrip()
        self._left -= len(line) + 1
        if self._left > 0:
            self._file.write(f"{line}\n")
            self._file.flush()
        if line:
            self._recent.append(line)
            self._task.describe(f"{self._text}: {line[:_WIDTH]}")

    @property
    def reason(self) -> str:
        """The line that most likely says why the build failed; "" if there is none.

        A compiler's first error explains those after it; of other programs the last one counts.
        """
        lines = [line.strip() for line in self._recent]
        if compiler := [line for line in lines if _COMPILER.search(line)]:
            return compiler[0]
        said = [line for line in lines if _ERROR.search(line) and not _ECHO.search(line)]
        return (said or lines or [""])[-1]

    def failed(self, found: str, expected: str = "") -> BuildError:
        """The error for this build; its last lines are passed on as output first."""
        for line in list(self._recent)[-_SHOWN:]:
            self._progress.output(line)
        return BuildError(found, expected, f"Full log: {self.path}")


@contextmanager
def build_log(name: str, text: str, session: Session) -> Iterator[Log]:
    """A log file of its own in the cache for one build called ``name``, shown as ``text``."""
    path = (
        session.cache.root
        / "logs"
        / f"{time.strftime('%Y%m%d-%H%M%S')}-{time.time_ns() % 10**9}-{name}.log"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w", encoding="utf-8", errors="replace")
    except OSError as error:
        raise fault(error, path) from error
    with file, session.progress.task(text) as task:
        yield Log(path, file, text, task, session.progress)
