"""Finished archives: whether Flink's unzip takes them, and how they unpack.

What it takes was tried on its CompressionUtils (design, decision 8): Unix modes, no name twice,
deflated or stored, relative symlinks only, which get the mode of their target.
"""

from __future__ import annotations

import os
import posixpath
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bundler.archive.content import checked, whole
from bundler.archive.directory import BadZip, Listed, read_directory
from bundler.archive.links import leaves
from bundler.errors import BundlerError, VerificationError
from bundler.support.files import fault


def check_archive(path: Path) -> None:
    """Read the whole archive ``path`` and refuse what would arrive broken on a worker.

    Raises VerificationError naming archive and member.
    """
    members = _listed(path)
    modes = {member.name: member.mode for member in members}
    for member in members:
        if problem := _problem(member, modes):
            raise _broken(path, member.name, problem)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for problem, member in zip(pool.map(_damage, members), members, strict=True):
            if problem:
                raise _broken(path, member.name, problem)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack ``archive`` into the existing or new ``folder``, with Unix modes and symlinks.

    Raises VerificationError if it is damaged or a name or link leads out of ``folder``,
    UsageError or BuildError if that cannot be written.
    """
    members = _listed(archive)
    links = [member for member in members if stat.S_ISLNK(member.mode)]
    files = [member for member in members if not member.is_folder and not stat.S_ISLNK(member.mode)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for parent in sorted({_folder_of(member.name) for member in members}):
            (folder / parent).mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda member: _write(archive, member, folder), files):
                pass
        # Links come last: nothing is ever written through one.
        for member in links:
            target = whole(member.content).decode(errors="surrogateescape")
            if leaves(member.name, target):
                raise _broken(archive, member.name, f"it is a symlink that leads out ({target})")
            (folder / member.name).symlink_to(target)
    except BadZip as error:
        raise _broken(archive, error.member, error.problem) from error
    except OSError as error:
        raise fault(error, folder / archive.name) from error


def _folder_of(name: str) -> str:
    return name if name.endswith("/") else posixpath.dirname(name)


def _write(archive: Path, member: Listed, folder: Path) -> None:
    path = folder / member.name
    try:
        with path.open("xb", buffering=0) as file:
            for block in checked(member.content):
                file.write(block)
            os.fchmod(file.fileno(), stat.S_IMODE(member.mode) or 0o644)
    except BadZip as error:
        raise _broken(archive, member.name, error.problem) from error


def _problem(member: Listed, modes: dict[str, int]) -> str:
    name, mode, content = member
    if member.is_folder:
        return "" if mode & 0o700 == 0o700 else "it is a folder that could not be written into"
    if not mode:
        return "it has no Unix mode, so it could never be executable"
    if not stat.S_ISLNK(mode):
        if not stat.S_ISREG(mode):
            return "it is no file, folder or symlink"
        return "" if mode & 0o400 else "it could not be read after unpacking"
    target = whole(content).decode(errors="replace")
    if leaves(name, target):
        return f"it is a symlink that leads out of the archive ({target})"
    final = modes.get(posixpath.normpath(posixpath.join(posixpath.dirname(name), target)))
    if final and not stat.S_ISLNK(final) and final & 0o777 != mode & 0o777:
        return "it is a symlink whose mode differs from that of its target, which would get it"
    return ""


def _damage(member: Listed) -> str:
    try:
        for _ in checked(member.content):
            pass
    except BadZip as error:
        return error.problem
    return ""


def _listed(path: Path) -> list[Listed]:
    try:
        return read_directory(path)
    except BadZip as error:
        raise _broken(path, error.member, error.problem) from error
    except OSError as error:
        raise VerificationError(
            f"{path} cannot be read: {error.strerror}.",
            remedy="Give the path of an archive that exists.",
        ) from error


def _broken(path: Path, member: str, problem: str) -> BundlerError:
    return VerificationError(
        f"{path.name}: {f'{member}: ' if member else ''}{problem}.",
        "Flink would refuse it or unpack it wrongly.",
        "Build the archive again with this tool.",
    )
