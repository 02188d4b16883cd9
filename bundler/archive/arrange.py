"""Entries in the order of an archive, once it is sure that any worker can unpack them."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bundler.archive.content import whole
from bundler.archive.directory import BadZip
from bundler.archive.entry import Entry
from bundler.archive.links import MAX_LINK, BadLink, Links, link_target
from bundler.archive.names import name_problem, shown
from bundler.errors import BuildError


def arranged(entries: Sequence[Entry]) -> list[Entry]:
    """``entries`` sorted by name, symlinks with the mode that Flink's unzip needs.

    Raises BuildError for two entries of one name, a name or symlink that leads out of the archive
    or that Linux does not take, and a file or link where another entry has a folder.
    """
    ordered = sorted(entries, key=lambda entry: entry.name)
    by_name: dict[str, Entry] = {}
    for entry in ordered:
        if (other := by_name.setdefault(entry.name, entry)) is not entry:
            raise BuildError(
                f"{shown(entry.name)} appears twice: from {who(other)} and from {who(entry)}.",
                "Flink refuses a zip with a duplicate name.",
                "Leave one of the two out.",
            )
        if problem := name_problem(entry.name):
            raise BuildError(
                f"The name '{shown(entry.name)}' ({who(entry)}) {problem}.",
                "Expected a relative path without '..', backslashes or control characters.",
                "Rename the file, or leave it out.",
            )
    _refuse_files_as_folders(by_name)
    targets = {entry.name: _target(entry) for entry in ordered if entry.is_symlink}
    if not targets:
        return ordered
    links = Links(targets)
    return [_settled(entry, links, by_name) if entry.is_symlink else entry for entry in ordered]


def who(entry: Entry) -> str:
    """Whose an entry is, for messages."""
    return entry.owner or "the archive"


def _refuse_files_as_folders(entries: Mapping[str, Entry]) -> None:
    for name, inside in _folders(entries.values()).items():
        if (file := entries.get(name)) is not None:
            kind = "symlink" if file.is_symlink else "file"
            raise BuildError(
                f"{shown(name)} is a {kind} of {who(file)}, and a folder of {who(inside)}.",
                f"{shown(inside.name)} cannot be unpacked there.",
                "Leave one of the two out, or choose releases that do not collide.",
            )


def _folders(entries: Iterable[Entry]) -> dict[str, Entry]:
    """Every folder that ``entries`` are in, with one of the entries."""
    folders: dict[str, Entry] = {}
    for entry in entries:
        folder = entry.name.rpartition("/")[0]
        while folder and folder not in folders:
            folders[folder] = entry
            folder = folder.rpartition("/")[0]
    return folders


def _target(link: Entry) -> str:
    try:
        return link_target(whole(link.content, MAX_LINK))
    except BadLink as error:
        raise _refused(link, str(error)) from error
    except BadZip as error:
        raise _refused(link, f"that cannot be read: {error.problem}") from error


def _settled(link: Entry, links: Links, by_name: Mapping[str, Entry]) -> Entry:
    """The symlink with the mode of its target: Flink's unzip gives the target the link's mode."""
    try:
        end = by_name.get(links.end_of(link.name))
    except BadLink as error:
        raise _refused(link, str(error)) from error
    return replace(link, mode=stat.S_IFLNK | (end.mode & 0o777 if end else 0o755))


def _refused(link: Entry, problem: str) -> BuildError:
    return BuildError(
        f"{shown(link.name)} ({who(link)}) is a symlink {problem}.",
        "Workers have only what is in the archive, and Flink breaks absolute links.",
        "Replace the link with what it points to, or leave it out.",
    )
