"""Finished archives: whether Flink's unzip takes them, and how they unpack.

What it takes was tried on its CompressionUtils (design, decision 8): Unix modes, no name twice,
deflated or stored, relative symlinks only, which get the mode of their target.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bundler.archive.content import checked, whole
from bundler.archive.directory import BadZip, Listed, read_directory
from bundler.archive.links import MAX_LINK, BadLink, Links, link_target
from bundler.archive.names import shown
from bundler.errors import VerificationError
from bundler.support.files import fault


def check_archive(path: Path) -> None:
    """Read the whole archive ``path`` and refuse what would arrive broken on a worker.

    Raises VerificationError naming archive and member.
    """
    members = _listed(path)
    ends = _ends_of_links(path, members)
    modes = {member.name: member.mode for member in members}
    for member in members:
        if problem := _problem(member, ends, modes):
            raise _broken(path, member.name, problem)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for problem, member in zip(pool.map(_damage, members), members, strict=True):
            if problem:
                raise _broken(path, member.name, problem)


def unpack(archive: Path, folder: Path) -> None:
    """Unpack ``archive`` into the existing or new ``folder``, with Unix modes and symlinks.

    Raises VerificationError, and writes nothing, if a name or link leads out of ``folder`` at any
    step or there is no room for it; VerificationError too if it is damaged, UsageError or
    BuildError if the folder cannot be written.
    """
    members = _listed(archive)
    targets = _targets(archive, members)
    _ends_of_links(archive, members, targets)
    files = [member for member in members if not member.is_folder and member.name not in targets]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _refuse_without_room(archive, folder, sum(member.content.size for member in files))
        for parent in sorted({_folder_of(member.name) for member in members}):
            (folder / parent).mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for _ in pool.map(lambda member: _write(archive, member, folder), files):
                pass
        # Links come last: nothing is ever written through one.
        for name, target in targets.items():
            (folder / name).symlink_to(target)
    except OSError as error:
        raise fault(error, folder / archive.name) from error


def _targets(path: Path, members: Sequence[Listed]) -> dict[str, str]:
    """The target of each symlink. Raises VerificationError for one that is not a sound target."""
    targets = {}
    for name, mode, content in members:
        if not stat.S_ISLNK(mode) or name.endswith("/"):
            continue
        try:
            targets[name] = link_target(whole(content, MAX_LINK))
        except BadLink as error:
            raise _broken(path, name, f"it is a symlink {error}") from error
        except BadZip as error:
            raise _broken(path, name, error.problem) from error
    return targets


def _ends_of_links(
    path: Path, members: Sequence[Listed], targets: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Where each symlink leads once all are followed.

    Raises VerificationError for one that leads out or in a circle, and for a file below a link or
    below another file, which would be written elsewhere or not at all.
    """
    found = _targets(path, members) if targets is None else targets
    files = {member.name for member in members if not member.is_folder}
    for member in members:
        folder = posixpath.dirname(member.name.removesuffix("/"))
        while folder:
            if folder in files:
                kind = "a symlink" if folder in found else "a file"
                raise _broken(path, member.name, f"its folder {shown(folder)} is {kind}")
            folder = posixpath.dirname(folder)
    links = Links(found)
    ends = {}
    for name in found:
        try:
            ends[name] = links.end_of(name)
        except BadLink as error:
            raise _broken(path, name, f"it is a symlink {error}") from error
    return ends


def _refuse_without_room(archive: Path, folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size > free:
        raise VerificationError(
            f"{archive.name} needs {size:,} bytes unpacked; {folder} has {free:,} free.",
            "Expected room to unpack it.",
            "Free some space, or set TMPDIR to a folder on a larger disk.",
        )


def _folder_of(name: str) -> str:
    return name if name.endswith("/") else posixpath.dirname(name)


def _write(archive: Path, member: Listed, folder: Path) -> None:
    path = folder / member.name
    try:
        with path.open("xb", buffering=0) as file:
            for block in checked(member.content):
                file.write(block)
            os.fchmod(file.fileno(), stat.S_IMODE(member.mode) & 0o777 or 0o644)
    except BadZip as error:
        raise _broken(archive, member.name, error.problem) from error


def _problem(member: Listed, ends: Mapping[str, str], modes: Mapping[str, int]) -> str:
    name, mode, _ = member
    if member.is_folder:
        return "" if mode & 0o700 == 0o700 else "it is a folder that could not be written into"
    if not mode:
        return "it has no Unix mode, so it could never be executable"
    if not stat.S_ISLNK(mode):
        if not stat.S_ISREG(mode):
            return "it is not a file, folder or symlink"
        return "" if mode & 0o400 else "it could not be read after unpacking"
    final = modes.get(ends[name])
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
            "Expected an archive that `bundle` made.",
            "Check the path and its permissions.",
        ) from error


def _broken(path: Path, member: str, problem: str) -> VerificationError:
    return VerificationError(
        f"{path.name}: {f'{shown(member)}: ' if member else ''}{problem}.",
        "Flink would refuse it or unpack it wrongly.",
        "Build the archive again with `bundle`.",
    )
