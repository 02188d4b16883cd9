"""Entries of folders and of zips that exist already."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from bundler.archive.content import whole
from bundler.archive.directory import BadZip, Listed, read_directory
from bundler.archive.entry import MANIFEST_NAME, Entry, Inline, Member, OnDisk
from bundler.archive.links import MAX_LINK, BadLink, link_target
from bundler.archive.names import name_problem, shown
from bundler.errors import UsageError


def zip_entries(archive: Path, owner: str = "") -> list[Entry]:
    """The files and symlinks of a zip, its manifest left out; their bytes stay where they are.

    Raises UsageError if it is not a whole, safe zip.
    """
    entries = []
    for name, mode, content in listed(archive):
        if name.endswith("/") or name == MANIFEST_NAME:
            continue
        if stat.S_ISLNK(mode):
            target = _target(archive, name, content)
            entries.append(Entry(name, mode, Inline(target.encode()), owner))
        else:
            permissions = 0o755 if mode & 0o111 else 0o644
            entries.append(Entry(name, stat.S_IFREG | permissions, content, owner))
    return entries


def _target(archive: Path, name: str, content: Member) -> str:
    try:
        return link_target(whole(content, MAX_LINK))
    except BadLink as error:
        raise not_ours(archive, f"{shown(name)}: it is a symlink {error}") from error
    except BadZip as error:
        raise not_ours(archive, f"{shown(name)}: {error.problem}") from error


def tree_entries(folder: Path, prefix: str = "", owner: str = "") -> list[Entry]:
    """The files below ``folder``, named relative to it below ``prefix`` ("" for the root).

    If ``folder`` is a file, it alone, named ``prefix``.

    Modes become 0644, or 0755 for what its owner may execute. Symlinks that stay inside
    ``folder`` are kept, relative; a link to a file elsewhere becomes a copy of that file.

    Raises UsageError for what does not exist, cannot be read or put into a zip: sockets, devices,
    broken links, links to folders elsewhere, names that are not UTF-8.
    """
    root = Path(os.path.realpath(folder))
    if not root.exists():
        raise UsageError(f"{folder} does not exist.", remedy="Give the path of a file or folder.")
    if not root.is_dir():
        return [_tree_entry(root, prefix or root.name, root.parent, "", owner)]
    start = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    return [
        _tree_entry(path, name, root, start, owner)
        for path, name in sorted(_walk(root), key=lambda found: found[1])
    ]


def _walk(root: Path) -> Iterator[tuple[Path, str]]:
    # Not recursive: strangers' folders may be nested deeper than Python's stack.
    waiting = [(root, "")]
    while waiting:
        folder, inside = waiting.pop()
        try:
            found = list(os.scandir(folder))
        except OSError as error:
            raise UsageError(
                f"{str(folder)!r} cannot be read: {error.strerror}.",
                remedy="Give it read permission and a shorter path, or leave it out.",
            ) from error
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                waiting.append((Path(entry.path), f"{inside}{entry.name}/"))
            else:
                yield Path(entry.path), f"{inside}{entry.name}"


def _tree_entry(path: Path, name: str, root: Path, start: str, owner: str) -> Entry:
    if problem := name_problem(name):
        raise _unfit(path, f"cannot be in an archive: its name {problem}")
    if path.is_symlink():
        real = Path(os.path.realpath(path))
        if not real.exists():
            raise _unfit(path, f"is a symlink to {path.readlink()}, which does not exist")
        if real.is_relative_to(root):
            target = os.path.relpath(real, path.parent)
            return Entry(f"{start}{name}", stat.S_IFLNK | 0o755, Inline(target.encode()), owner)
        if real.is_dir():
            raise _unfit(path, f"is a symlink to a folder outside, {real}")
        path = real
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise _unfit(path, "is not a file, folder or symlink")
    permissions = 0o755 if status.st_mode & stat.S_IXUSR else 0o644
    content = OnDisk(path, status.st_size)
    return Entry(f"{start}{name}", stat.S_IFREG | permissions, content, owner)


def _unfit(path: Path, problem: str) -> UsageError:
    return UsageError(
        f"{str(path)!r} {problem}.",
        "Expected files, folders and symlinks that stay inside.",
        "Replace it, or leave it out.",
    )


def listed(archive: Path) -> list[Listed]:
    """The members of an archive. Raises UsageError if it is not a whole, safe zip."""
    try:
        return read_directory(archive)
    except BadZip as error:
        raise not_ours(archive, str(error)) from error
    except OSError as error:
        raise UsageError(
            f"{archive} cannot be read: {error.strerror}.",
            "Expected an archive that `bundle` made.",
            "Check the path and its permissions.",
        ) from error


def not_ours(archive: Path, problem: str) -> UsageError:
    """The error for a file that is not an archive as ``bundle`` makes it."""
    return UsageError(
        f"{archive} was not made by bundle: {problem}.",
        "Expected an archive that `bundle venv`, `bundle deps` or `bundle data` made.",
        "Build it again, or give another file.",
    )
