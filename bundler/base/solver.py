"""conda packages for a target that this machine need not be: solved, kept in locks, installed.

The work is done by py-rattler in a process of its own (`bundler.base.solver_worker`): one that
fails there may crash its interpreter, and repodata come from strangers, so that time and memory
are bounded.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from bundler.errors import BuildError, BundlerError, FetchError, ResolutionError, UsageError
from bundler.support.files import whole_file
from bundler.support.process import stop
from bundler.support.progress import SILENT, Progress, Task

if TYPE_CHECKING:
    from bundler.session import Session
    from bundler.target import Target

SECONDS_VARIABLE = "BUNDLE_CONDA_TIMEOUT"
_SOLVE_SECONDS = 1200.0
_INSTALL_SECONDS = 3600.0
_MEMORY = 4 << 30
_LARGEST_LOCK = 64 << 20
_LARGEST_ANSWER = 256 << 20
_SUBDIRS = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}
_ERRORS = {kind.__name__: kind for kind in (BuildError, FetchError, ResolutionError, UsageError)}
# Not `-m`: that would look for modules in the current folder first.
_START = (
    "import sys; sys.path[:] = filter(None, sys.path); "
    "from bundler.base.solver_worker import main; main()"
)


@dataclass(frozen=True, slots=True)
class CondaProblem:
    """What to solve: channel names or URLs by priority, match specifications, and for what.

    ``alias`` completes bare channel names; None for rattler's own.
    """

    channels: tuple[str, ...]
    specs: tuple[str, ...]
    target: Target
    alias: str | None = None

    def as_json(self) -> dict[str, object]:
        """What the worker has to know, ``subdir`` being conda's name for the platform."""
        return {
            "channels": self.channels,
            "specs": self.specs,
            "alias": self.alias,
            "subdir": _SUBDIRS[self.target.architecture],
            "architecture": self.target.architecture,
            "glibc": ".".join(map(str, self.target.glibc)),
            "described": self.target.describe(),
        }


@dataclass(frozen=True, slots=True)
class CondaPackage:
    """A package of a solution; ``sha256`` is in hexadecimal, "" if the channel does not say it."""

    name: str
    version: str
    url: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Solution:
    """Packages sorted by name, and as the text of a lock in the format of rattler-lock."""

    packages: tuple[CondaPackage, ...]
    lock: str


def solve(problem: CondaProblem, folder: Path, session: Session) -> Solution:
    """The packages that satisfy ``problem``; repodata is kept in ``folder``.

    A session that is offline uses only kept repodata. Raises ResolutionError with the solver's
    explanation (given whole to ``progress.output``), FetchError when a channel cannot be read,
    UsageError for a malformed channel or specification, BuildError if it takes too long.
    """
    values = {"folder": str(folder / "repodata"), "offline": session.offline}
    return _solution(_ask("solve", problem, values, _SOLVE_SECONDS, session.progress))


def read_lock(path: Path, problem: CondaProblem) -> Solution:
    """The packages kept in ``path``, if they are a solution of ``problem``.

    Raises UsageError if it is not a lock file, ResolutionError saying what is stale if it is a
    solution of something else.
    """
    if not path.is_file() or path.stat().st_size > _LARGEST_LOCK:
        raise UsageError(
            f"{path} is not a lock of conda packages: it is not a file of up to 64 MiB.",
            "Expected the file that an earlier run wrote.",
            "Remove it, and run `bundle lock` to solve again.",
        )
    return _solution(_ask("read", problem, {"path": str(path)}, _SOLVE_SECONDS, SILENT))


def write_lock(path: Path, solution: Solution) -> None:
    """Keep ``solution`` in ``path``: URLs, hashes and all."""
    with whole_file(path) as temporary:
        temporary.write_text(solution.lock, encoding="utf-8")


def install(
    problem: CondaProblem, solution: Solution, prefix: Path, folder: Path, progress: Progress
) -> None:
    """Download what ``folder`` does not hold yet and link ``solution`` into ``prefix``.

    Hashes are checked; packages' own scripts do not run. Raises FetchError or BuildError.
    """
    values = {"lock": solution.lock, "prefix": str(prefix), "folder": str(folder / "pkgs")}
    count = len(solution.packages)
    with progress.task("Installing conda packages", count, "packages") as task:
        _ask("install", problem, values, _INSTALL_SECONDS, progress, task)


def missing_from_cache(problem: CondaProblem, solution: Solution, folder: Path) -> str | None:
    """The file name of a package that ``folder`` lacks; None if it holds all of them."""
    values = {"lock": solution.lock, "folder": str(folder / "pkgs")}
    answer = _ask("missing", problem, values, _SOLVE_SECONDS, SILENT)
    return str(answer["missing"]) if answer["missing"] else None


def _solution(answer: Mapping[str, object]) -> Solution:
    rows = answer["packages"]
    assert isinstance(rows, list)
    return Solution(tuple(CondaPackage(*map(str, row)) for row in rows), str(answer["lock"]))


def _ask(
    kind: str,
    problem: CondaProblem,
    values: Mapping[str, object],
    seconds: float,
    progress: Progress,
    task: Task | None = None,
) -> dict[str, object]:
    """The worker's answer to a question of ``kind``. Raises the error that it answers with."""
    seconds = _allowed(seconds)
    question = {"kind": kind, "problem": problem.as_json(), "memory": _MEMORY, **values}
    with _worker(seconds) as (process, errors):
        assert process.stdin is not None
        assert process.stdout is not None
        # One that dies early says why on standard error.
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        for message in _messages(process.stdout):
            if "advance" in message and task is not None:
                task.advance()
            elif "output" in message:
                progress.output(str(message["output"]))
            elif "error" in message:
                raise _error(message["error"])
            else:
                return message
        raise _ended(process.wait(), errors, seconds)


def _allowed(seconds: float) -> float:
    """``seconds``, or those that the user set. Raises UsageError for what is not a number."""
    given = os.environ.get(SECONDS_VARIABLE)
    if not given:
        return seconds
    try:
        chosen = float(given)
    except ValueError:
        chosen = 0.0
    if not 0 < chosen <= threading.TIMEOUT_MAX:
        raise UsageError(
            f"{SECONDS_VARIABLE} is {given[:80]!r}.",
            "Expected the seconds that conda's solver may take.",
            "Change or unset it (default: 1200, and 3600 to install).",
        )
    return chosen


@contextmanager
def _worker(seconds: float) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """The process, and what it writes to standard error; it is ended after ``seconds``."""
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
        deadline = threading.Timer(seconds, process.kill)
        deadline.daemon = True
        deadline.start()
        try:
            yield process, errors
        finally:
            deadline.cancel()
            if process.poll() is None:
                stop(process)
            for pipe in (process.stdin, process.stdout):
                with suppress(BrokenPipeError):
                    if pipe is not None:
                        pipe.close()


def _messages(stream: IO[bytes]) -> Iterator[dict[str, object]]:
    while line := stream.readline(_LARGEST_ANSWER):
        try:
            message = json.loads(line)
        except ValueError:
            return
        if not isinstance(message, dict):
            return
        yield message


def _error(described: object) -> BundlerError:
    assert isinstance(described, dict)
    kind = _ERRORS.get(str(described["kind"]), BuildError)
    return kind(*(str(described[part]) for part in ("found", "expected", "remedy")))


def _ended(status: int, errors: IO[bytes], seconds: float) -> BuildError:
    errors.seek(0)
    lines = errors.read(1 << 20).decode(errors="replace").split("\n")
    said = [line.strip() for line in lines if line.strip()]
    if status == -signal.SIGKILL:
        cause = (
            f"it was killed: it took longer than {seconds:g} s, or the machine ran out of memory"
        )
    elif status < 0:
        cause = f"it ended with signal {-status}{f': {said[-1][:300]}' if said else ''}"
    else:
        cause = said[-1][:300] if said else f"it ended with exit status {status}"
    return BuildError(
        f"conda's solver gave no answer: {cause}.",
        f"Expected one with at most {_MEMORY >> 30} GiB of memory, within {seconds:g} s.",
        "Name fewer channels or narrower versions in the environment file, or set "
        f"{SECONDS_VARIABLE} to more seconds.",
    )
