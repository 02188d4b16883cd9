"""Tar archives unpacked so that nothing leaves the folder, on every Python from 3.10 on.

tarfile's own filters came with Python 3.10.12 and 3.11.4, and how they follow links changed since.
Here nothing is written through a link, whatever it points to.
"""

from __future__ import annotations

import errno
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from bundler.errors import BuildError
from bundler.support.files import fault

_MEMBERS = 1_000_000
_ITS_NAMES = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP}


def untar(archive: Path, folder: Path, *, what: str, largest: int) -> list[str]:
    """Unpack ``archive``, which is ``what`` in messages, into ``folder``; what was left out.

    Files keep the permissions of their owner. Left out, by name, are symlinks that lead out of
    ``folder``, alone or through each other, and devices and FIFOs. Raises BuildError for a damaged
    archive, names that lead out, files behind a link, and more than ``largest`` bytes or a million
    members.
    """
    left_out = []
    links: list[str] = []
    size = count = 0
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                size, count = size + max(member.size, 0), count + 1
                if size > largest or count > _MEMBERS:
                    raise _refused(what, f"has more than {largest:,} bytes or {_MEMBERS:,} files")
                if not _unpack(tar, member, folder, what):
                    left_out.append(member.name)
                elif member.issym():
                    links.append(member.name)
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise _refused(what, f"could not be unpacked: {error}") from error
    except OSError as error:
        if error.errno not in _ITS_NAMES:
            raise fault(error, folder / "any") from error
        raise _refused(what, f"could not be unpacked: {error.strerror}") from error
    root = os.path.realpath(folder)
    for name in links:
        if not Path(os.path.realpath(folder / name)).is_relative_to(root):
            (folder / name).unlink(missing_ok=True)
            left_out.append(name)
    return left_out


def _unpack(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, what: str) -> bool:
    """Put one member into ``folder``; False if it is left out."""
    place = _place(member.name, folder, what)
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return True
    if place == folder or (place.is_dir() and not place.is_symlink()):
        raise _refused(what, f"has a folder and a file named {member.name!r}")
    if not (member.isreg() or member.islnk() or (member.issym() and member.linkname)):
        return False
    place.parent.mkdir(parents=True, exist_ok=True)
    place.unlink(missing_ok=True)
    if member.issym():
        place.symlink_to(member.linkname)
    elif member.islnk():
        source = _place(member.linkname, folder, what)
        if source.is_symlink() or not source.is_file():
            raise _refused(
                what, f"links {member.name!r} to {member.linkname!r}, which is not a file"
            )
        shutil.copy(source, place)
    else:
        content = tar.extractfile(member)
        assert content is not None
        with content, place.open("xb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
        place.chmod(0o700 if member.mode & 0o100 else 0o600)
    return True


def _place(name: str, folder: Path, what: str) -> Path:
    """Where the member ``name`` belongs, no folder on the way being a link."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise _refused(what, f"has the name {name!r}, which leads out of its folder")
    place = folder / path
    for parent in _parents(place, folder):
        if parent.is_symlink():
            raise _refused(what, f"has {name!r} behind a link")
    return place


def _parents(place: Path, folder: Path) -> Iterator[Path]:
    while place != folder:
        place = place.parent
        if place != folder:
            yield place


def _refused(what: str, problem: str) -> BuildError:
    return BuildError(
        f"{what} {problem}.",
        "Expected relative names of files, folders and links that stay inside.",
        "Do not use it unless you know who made it.",
    )
