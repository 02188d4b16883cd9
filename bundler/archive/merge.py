"""The entries of several owners become those of one archive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bundler.archive.arrange import who
from bundler.archive.content import crc_of
from bundler.archive.entry import Entry
from bundler.errors import BuildError


def merge(groups: Iterable[Iterable[Entry]]) -> list[Entry]:
    """All entries, sorted by name; a file that several groups have with the same bytes, once.

    Raises BuildError, naming the file and both owners, when they have different bytes for it.
    """
    merged: dict[str, Entry] = {}
    for group in groups:
        for entry in group:
            other = merged.setdefault(entry.name, entry)
            if other is not entry:
                merged[entry.name] = _same(other, entry)
    return [merged[name] for name in sorted(merged)]


def _same(first: Entry, second: Entry) -> Entry:
    if (
        first.is_symlink != second.is_symlink
        or first.size != second.size
        or crc_of(first.content) != crc_of(second.content)
    ):
        raise BuildError(
            f"{who(first)} and {who(second)} both have {first.name}, with different bytes.",
            "Expected every file to belong to one of them, or to be the same in both.",
            "Leave one of the two out, or choose releases that do not collide.",
        )
    return replace(first, mode=first.mode | (second.mode & 0o111))
