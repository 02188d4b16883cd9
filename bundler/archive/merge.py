"""The entries of several owners become those of one archive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bundler.archive.content import crc_of
from bundler.archive.entry import Entry
from bundler.errors import BuildError


def merge(groups: Iterable[Iterable[Entry]]) -> list[Entry]:
    """All entries, sorted by name; a file that several groups have with the same bytes, once.

    Raises BuildError, naming the file and both owners, when they have different bytes for it, or
    when one's file is another's folder.
    """
    merged: dict[str, Entry] = {}
    for group in groups:
        for entry in group:
            other = merged.setdefault(entry.name, entry)
            if other is not entry:
                merged[entry.name] = _same(other, entry)
    _refuse_files_as_folders(merged)
    return [merged[name] for name in sorted(merged)]


def _same(first: Entry, second: Entry) -> Entry:
    if (
        first.is_symlink != second.is_symlink
        or first.size != second.size
        or crc_of(first.content) != crc_of(second.content)
    ):
        raise BuildError(
            f"{_who(first)} and {_who(second)} both have {first.name}, with different bytes.",
            "Expected every file to belong to one of them, or to be the same in both.",
            "Leave one of the two out, or choose releases that do not collide.",
        )
    return replace(first, mode=first.mode | (second.mode & 0o111))


def _refuse_files_as_folders(entries: dict[str, Entry]) -> None:
    folders: dict[str, Entry] = {}
    for entry in entries.values():
        folder = entry.name.rpartition("/")[0]
        while folder and folder not in folders:
            folders[folder] = entry
            folder = folder.rpartition("/")[0]
    for name in folders.keys() & entries.keys():
        file, inside = entries[name], folders[name]
        raise BuildError(
            f"{_who(file)} has a file {name}, which is a folder of {_who(inside)}.",
            f"{inside.name} cannot be put there.",
            "Leave one of the two out, or choose releases that do not collide.",
        )


def _who(entry: Entry) -> str:
    return entry.owner or "The archive"
