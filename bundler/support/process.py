"""Running other programs, so that none outlives the command that started it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundler.errors import BuildError, BundlerError


@dataclass(frozen=True, slots=True)
class Finished:
    """Exit status and decoded output of a program that ended."""

    returncode: int
    stdout: str
    stderr: str


def overdue(error: subprocess.TimeoutExpired) -> BundlerError:
    """The error to show for a program that did not end in time and that no stage has words for."""
    program = Path(str(error.cmd[0])).name
    return BuildError(
        f"{program} did not end within {error.timeout:g} seconds.",
        "It was stopped.",
        "Check whether machine, network or index are overloaded, and run the command again.",
    )


def run(
    arguments: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Finished:
    """Run a program to its end with no standard input; ``env`` is added to this environment.

    The program gets a process group of its own, which is killed if this function is left early
    (Ctrl-C, ``timeout`` in seconds, raised as subprocess.TimeoutExpired).
    """
    process = subprocess.Popen(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except BaseException:
        stop(process)
        raise
    return Finished(
        process.returncode, stdout.decode(errors="replace"), stderr.decode(errors="replace")
    )


def stop(process: subprocess.Popen[bytes], grace: float = 10.0) -> None:
    """End a process that leads its own group: SIGTERM, and SIGKILL after ``grace`` seconds."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            process.wait(grace)
            break
        except subprocess.TimeoutExpired:
            continue
    process.wait()
