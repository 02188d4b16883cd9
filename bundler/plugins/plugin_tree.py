"""The files among which plugins are looked for: of a folder, or of a zip, read with bounds."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bundler.archive.content import checked
from bundler.archive.directory import BadZip, Listed, read_directory
from bundler.archive.entry import Member
from bundler.errors import UsageError
from bundler.plugins.plugin_descriptor import (
    LONGEST_DESCRIPTOR,
    PluginDescriptor,
    parse_descriptor,
)
from bundler.support.files import fault, read_bounded

_MOST_FILES = 500_000
_DEEPEST_FOLDER = 100
_LARGEST_PLUGIN = 64 << 20
_MOST_INNER_ZIPS = 1000
_INNER_BYTES = 512 << 20


@dataclass(frozen=True, slots=True)
class Tree:
    """The files of a folder (``folder``) or of a zip (``members``); ``path`` is shown to people.

    ``names`` are relative, with ``/``; names that cannot be printed are left out.
    """

    path: Path
    names: frozenset[str]
    folder: Path | None = None
    members: dict[str, Member] | None = None

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of the file ``name``. Raises UsageError if it is damaged or larger."""
        if self.folder is not None:
            return read_bounded(self.folder / name, limit)
        member = (self.members or {})[name]
        data = bytearray()
        try:
            for block in checked(member):
                data += block
                if len(data) > limit:
                    raise BadZip("", f"it is larger than {limit:,} bytes")
        except BadZip as error:
            raise _bad(self.path, BadZip(name, error.problem)) from error
        return bytes(data)

    def text(self, name: str, limit: int) -> str:
        """What the file ``name`` says. Raises UsageError as `read` does."""
        return self.read(name, limit).decode("utf-8", "replace")

    def size(self, name: str) -> int:
        """The size of the file ``name`` in bytes."""
        if self.folder is not None:
            return (self.folder / name).stat().st_size
        return (self.members or {})[name].size

    def descriptors(self) -> Iterator[tuple[str, PluginDescriptor]]:
        """The descriptors of eKuiper's plugins whose script is there: name and content.

        Raises UsageError for one that is wrong.
        """
        for name in sorted(self.names):
            if not name.endswith(".json") or ".dist-info/" in name:
                continue
            # Archives hold JSON of other kinds too, and much of it.
            if self.size(name) > LONGEST_DESCRIPTOR:
                continue
            data = self.read(name, LONGEST_DESCRIPTOR)
            descriptor = parse_descriptor(data, f"{self.path}: {name}")
            if descriptor is not None:
                script = PurePosixPath(name).parent / descriptor.executable
                if script.as_posix() in self.names:
                    yield name, descriptor


def _bad(path: Path, error: BadZip) -> UsageError:
    return UsageError(
        f"{path} is not a zip that can be read: {error}.",
        "Expected a whole zip, as `zip` or `bundle` makes them.",
        "Create or download it again.",
    )


def is_zip(path: Path) -> bool:
    """Whether ``path`` is a regular file that looks like a zip."""
    try:
        return path.is_file() and zipfile.is_zipfile(path)
    except (OSError, ValueError):
        return False


def trees(path: Path) -> Iterator[Tree]:
    """The folder ``path`` and each zip in it, or the zip ``path``; nothing of others.

    Zips in a zip, as plugins are in a data archive, are opened too, but none in those. A zip that
    is only found there may be anything: if it is damaged, or inflated larger than 64 MiB, it is
    left out. Raises UsageError if ``path`` itself is a damaged zip, and for a folder with too many
    files or levels.
    """
    if not path.is_dir():
        if is_zip(path):
            yield from _with_inner(path, _listed(path))
        return
    files = list(_walk(path))
    yield Tree(path, frozenset(files), folder=path)
    for name in sorted(files):
        file = path / name
        if name.endswith(".zip") and is_zip(file):
            try:
                members = _listed(file)
            except UsageError:
                continue
            yield from _with_inner(file, members)


def _walk(folder: Path) -> Iterator[str]:
    """The regular files below ``folder``, and links to such, without following folders' links."""
    waiting = [("", 0)]
    count = 0
    while waiting:
        inside, depth = waiting.pop()
        if depth > _DEEPEST_FOLDER:
            raise _too_much(folder, f"has more than {_DEEPEST_FOLDER} levels of folders")
        try:
            with os.scandir(folder / inside) as found:
                for entry in found:
                    name = f"{inside}{entry.name}"
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((f"{name}/", depth + 1))
                    elif name.isprintable() and _is_file(entry):
                        yield name
                    count += 1
                    if count > _MOST_FILES:
                        raise _too_much(folder, f"has more than {_MOST_FILES:,} files")
        except OSError as error:
            raise fault(error, folder / inside) from error


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a loop of links
        return False


def _too_much(folder: Path, problem: str) -> UsageError:
    return UsageError(
        f"{folder} {problem}.",
        "Expected a folder of plugins.",
        "Give the path of a smaller folder.",
    )


def _listed(path: Path) -> list[Listed]:
    try:
        return read_directory(path)
    except BadZip as error:
        raise _bad(path, error) from error
    except OSError as error:
        raise fault(error, path) from error


def _zip_tree(path: Path, listed: list[Listed]) -> Tree:
    members = {
        each.name: each.content for each in listed if not each.is_folder and each.name.isprintable()
    }
    return Tree(path, frozenset(members), members=members)


def _with_inner(path: Path, listed: list[Listed]) -> Iterator[Tree]:
    tree = _zip_tree(path, listed)
    yield tree
    inner = [name for name in sorted(tree.names) if name.endswith(".zip")]
    room = _INNER_BYTES
    for name in inner[:_MOST_INNER_ZIPS]:
        size = tree.size(name)
        if size > min(_LARGEST_PLUGIN, room):
            continue
        room -= size
        with tempfile.TemporaryDirectory(prefix="bundle-plugins-") as folder:
            copy = Path(folder, "inner.zip")
            try:
                copy.write_bytes(tree.read(name, size))
                if is_zip(copy):
                    yield _zip_tree(path / name, read_directory(copy))
            except (UsageError, BadZip):
                continue
