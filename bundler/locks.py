"""Which lock a build goes by: the one that is there, if it still fits, or a new one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bundler.errors import ResolutionError
from bundler.lock import Lock, Question, read_lock, write_lock
from bundler.progress import SILENT, Progress

Solve = Callable[[], Lock]
"""Resolves the question anew."""


def kept_lock(path: Path, question: Question, solve: Solve, progress: Progress = SILENT) -> Lock:
    """The lock at ``path``; made there by ``solve`` if there is none.

    Raises ResolutionError if it is stale, saying what changed: a lock is never changed silently.
    """
    if not path.is_file():
        lock = solve()
        write_lock(lock, path)
        progress.note(f"Locked {len(lock.pylock.packages)} packages in {path.name}")
        return lock
    lock = read_lock(path)
    if reasons := lock.differences(question):
        raise ResolutionError(
            f"{path.name} is stale: {_some(reasons)}.",
            "It answers other requirements than the ones that are there now.",
            "Run `bundle lock` to resolve anew.",
        )
    return lock


def fitting_lock(path: Path, question: Question, solve: Solve, progress: Progress = SILENT) -> Lock:
    """The lock at ``path`` if it is there and fits, else a new one, which is not kept."""
    if path.is_file():
        lock = read_lock(path)
        reasons = lock.differences(question)
        if not reasons:
            return lock
        progress.note(f"{path.name} is for other requirements ({_some(reasons)}): resolving anew")
    return solve().undated()


def _some(reasons: list[str]) -> str:
    shown = "; ".join(reasons[:3])
    return f"{shown}; and {len(reasons) - 3} more" if len(reasons) > 3 else shown
