"""Source trees and sdists before they are built: of bounded size, and of nothing but files."""

from __future__ import annotations

import hashlib
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from bundler.errors import UsageError
from bundler.support.files import sha256_of

_LARGEST = 8 << 30
_MOST = 500_000
_NOT_SOURCE = {".git", ".hg", ".tox", ".nox", ".venv", "__pycache__"}
_BUILT = {"build", "dist"}


def subfolder(tree: Path, subdirectory: str | None, owner: str) -> Path:
    """The folder ``subdirectory`` of ``tree``, links followed; ``tree`` itself without one.

    Raises UsageError if it is not inside.
    """
    root = tree.resolve()
    if subdirectory is None:
        return root
    plain = subdirectory.isprintable() and "\\" not in subdirectory
    place = (root / subdirectory).resolve() if plain else None
    if place is None or not place.is_relative_to(root) or not place.is_dir():
        raise UsageError(
            f"{subdirectory!r} is not a folder in the source of {owner}.",
            "Expected a relative path that stays inside.",
            "Check the subdirectory in the lock or the requirements.",
        )
    return place


def tree_digest(tree: Path) -> str:
    """A SHA-256 over the names and bytes of a source tree, without what builds leave behind.

    Raises UsageError if it is not a Python project, is too large, or has a FIFO or device in it.
    """
    if not (tree / "pyproject.toml").is_file() and not (tree / "setup.py").is_file():
        raise UsageError(
            f"{tree} is not a Python project.",
            "Expected a folder with pyproject.toml or setup.py.",
            "Change the path in the requirements.",
        )
    digest = hashlib.sha256()
    for file in sorted(_files(tree)):
        name = str(file.relative_to(tree)).encode(errors="surrogateescape")
        digest.update(name + f"\0{sha256_of(file)}\n".encode())
    return digest.hexdigest()


def copy_tree(tree: Path, place: Path) -> Path:
    """A copy to build in: build backends leave their own files beside the sources."""
    names = shutil.ignore_patterns("build", "dist", "*.egg-info", "__pycache__", ".venv", ".tox")

    def left_out(folder: str, found: list[str]) -> set[str]:
        special = {name for name in found if _is_special(Path(folder, name))}
        return set(names(folder, found)) | special

    return Path(shutil.copytree(tree, place, symlinks=True, ignore=left_out))


def check_sdist(sdist: Path) -> None:
    """Raise UsageError for an sdist that takes too much space once unpacked, or is damaged.

    What its names may do is up to the tool that unpacks it: uv and pip refuse those that lead out.
    """
    size = count = 0
    try:
        for length in _sizes(sdist):
            size, count = size + length, count + 1
            if size > _LARGEST or count > _MOST:
                raise _too_large(str(sdist))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError, ValueError) as error:
        raise UsageError(
            f"{sdist.name} could not be read: {' '.join(str(error).split())[:200]}.",
            "Expected an sdist: a .tar.gz or .zip file.",
            "Choose another release.",
        ) from error


def _sizes(sdist: Path) -> Iterator[int]:
    if sdist.suffix == ".zip":
        with zipfile.ZipFile(sdist) as archive:
            yield from (row.file_size for row in archive.infolist())
        return
    with tarfile.open(sdist) as tar:
        for member in tar:
            yield max(member.size, 0)


def _files(tree: Path) -> Iterator[Path]:
    size = count = 0
    folders = [(tree, {*_NOT_SOURCE, *_BUILT})]
    while folders:
        folder, left_out = folders.pop()
        for child in folder.iterdir():
            if child.name in left_out or child.name.endswith(".egg-info"):
                continue
            if child.is_dir() and not child.is_symlink():
                folders.append((child, _NOT_SOURCE))
            elif _is_special(child):
                raise UsageError(
                    f"{str(child)!r} is a named pipe, socket or device.",
                    "Expected a source tree of files, folders and links.",
                    "Remove it.",
                )
            elif child.is_file():
                size, count = size + child.stat().st_size, count + 1
                if size > _LARGEST or count > _MOST:
                    raise _too_large(str(tree))
                yield child


def _is_special(path: Path) -> bool:
    """Whether reading ``path``, or what it links to, may wait or never end."""
    try:
        mode = path.stat().st_mode
    except OSError:
        # A link to nowhere, or in a circle
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _too_large(what: str) -> UsageError:
    return UsageError(
        f"{what} has more than {_LARGEST >> 30} GiB or {_MOST:,} files.",
        "Expected the source of one project.",
        "Name the project's own folder, or build its wheel yourself.",
    )
