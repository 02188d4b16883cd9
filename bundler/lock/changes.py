"""What a new lock changes, and how much it may."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bundler.lock.pylock import Lock, read_lock


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Which locked versions need not be kept: those of ``packages``, or all with ``everything``.

    Names are normalized.
    """

    everything: bool = False
    packages: frozenset[str] = frozenset()

    def kept(self, lock: Path) -> dict[str, str]:
        """The versions of the lock at ``lock`` that the next one keeps where it can."""
        if self.everything or not lock.is_file():
            return {}
        versions = read_lock(lock).versions
        return {name: version for name, version in versions.items() if name not in self.packages}


@dataclass(frozen=True, slots=True)
class LockChanges:
    """What happened to the lock at ``path``, by normalized name: versions ``added`` and
    ``removed``, and (old, new) where one ``changed``."""

    path: Path
    added: Mapping[str, str] = field(default_factory=dict)
    removed: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


def changes_of(path: Path, before: Mapping[str, str], lock: Lock) -> LockChanges:
    """The changes from the versions ``before`` to those of ``lock``, which is at ``path``."""
    after = lock.versions
    return LockChanges(
        path,
        {name: after[name] for name in sorted(after.keys() - before.keys())},
        {name: before[name] for name in sorted(before.keys() - after.keys())},
        {
            name: (before[name], after[name])
            for name in sorted(before.keys() & after.keys())
            if before[name] != after[name]
        },
    )
