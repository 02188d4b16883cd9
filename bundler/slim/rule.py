"""What a slimming rule is, and what it is given."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bundler.archive.entry import Entry
from bundler.archive.record import Row
from bundler.support.cache import Cache
from bundler.support.progress import Progress


@dataclass(slots=True)
class Slimming:
    """One slimming: where site-packages is, and rows of RECORD for files that were changed.

    ``site`` ends in ``/``, or is "" for the root of the archive.
    """

    site: str
    cache: Cache | None
    progress: Progress
    changed: dict[str, Row] = field(default_factory=dict)

    def inside(self, entry: Entry) -> str:
        """The name relative to site-packages; "" for what is not in there."""
        return entry.name[len(self.site) :] if entry.name.startswith(self.site) else ""


Apply = Callable[[Sequence[Entry], Slimming], list[Entry]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rule: what it removes, in words for the reference, and whether it is a default."""

    name: str
    description: str
    default: bool
    apply: Apply


def without(pattern: str) -> Apply:
    """Removes every file of site-packages whose name there matches ``pattern``."""
    matches = re.compile(pattern).search

    def apply(entries: Sequence[Entry], slimming: Slimming) -> list[Entry]:
        return [entry for entry in entries if not matches(slimming.inside(entry))]

    return apply
