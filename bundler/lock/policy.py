"""Which lock a build goes by: the one that is there, if it still fits, or a new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from bundler.errors import ResolutionError
from bundler.lock.pylock import Lock, LockInputs, read_lock, write_lock
from bundler.support.progress import SILENT, Progress

LockPolicy = Literal["keep", "fit", "renew", "check"]
"""How a lock is treated: ``keep`` writes it if there is none and refuses a stale one, ``fit`` takes
it only if it fits and writes nothing, ``renew`` solves again and writes it, ``check`` refuses one
that is missing or stale and writes nothing. The same for PEP 751 locks and for locks of conda
packages."""

Solve = Callable[[], Lock]
"""Resolves again."""


def resolve_lock(
    path: Path,
    inputs: LockInputs,
    solve: Solve,
    policy: LockPolicy,
    progress: Progress = SILENT,
) -> Lock:
    """The lock for ``inputs``: the one at ``path`` or what ``solve`` finds, as ``policy`` says.

    Raises ResolutionError if ``policy`` is ``keep`` or ``check`` and the lock is stale, saying what
    changed: a lock is never changed silently.
    """
    if policy == "renew" or (policy == "keep" and not path.is_file()):
        lock = solve()
        write_lock(lock, path)
        if policy == "keep":
            progress.note(f"Locked {len(lock.pylock.packages)} packages in {path.name}")
        return lock
    if policy == "check" and not path.is_file():
        raise ResolutionError(
            f"{path.name} does not exist.",
            "Expected a lock for the current requirements.",
            "Run `bundle lock` and commit what it writes.",
        )
    if path.is_file():
        lock = read_lock(path)
        reasons = lock.differences(inputs)
        if not reasons:
            return lock
        if policy in ("keep", "check"):
            raise ResolutionError(
                f"{path.name} is stale: {_some(reasons)}.",
                "The requirements changed after it was written.",
                "Run `bundle lock` to resolve again.",
            )
        progress.note(
            f"{path.name} no longer matches the requirements ({_some(reasons)}); resolving again"
        )
    return solve().undated()


def _some(reasons: list[str]) -> str:
    shown = "; ".join(reasons[:3])
    return f"{shown}; and {len(reasons) - 3} more" if len(reasons) > 3 else shown
