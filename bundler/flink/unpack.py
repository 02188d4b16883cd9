"""Taking one folder out of a release's wheel or sdist."""

from __future__ import annotations

import errno
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from bundler.errors import BuildError
from bundler.support.files import fault

# Far above what they have: Flink 2.2.1 takes 315 MB.
_BYTES = 4 << 30
_FILES = 100_000
_BLOCK = 1 << 20
_ITS_NAMES = {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}


class _Found(NamedTuple):
    """A regular file of an archive; ``path`` is relative to the folder that is taken out."""

    path: PurePosixPath
    executable: bool
    source: IO[bytes]


def unpack(archive: Path, folder: Path, top: str) -> None:
    """Write the regular files below the folder named ``top`` of ``archive`` into ``folder``.

    ``top`` is at the root of a wheel, and one level down in an sdist. Executable files stay so.
    Raises BuildError if the archive is damaged, unpacks to more than 4 GiB or 100,000 files, or has
    nothing there.
    """
    members = _wheel_members if zipfile.is_zipfile(archive) else _sdist_members
    count = size = 0
    try:
        for found in members(archive, top):
            count += 1
            if count > _FILES:
                raise _damaged(archive, f"it has more than {_FILES:,} files")
            size += _write(found, folder / found.path, _BYTES - size, archive)
    except (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        ValueError,  # a NUL in a name
        RuntimeError,  # an encrypted member, or a method that zipfile does not know
    ) as error:
        raise _damaged(archive, str(error)) from error
    except OSError as error:
        # gzip's own error has no number.
        if error.errno is None or error.errno in _ITS_NAMES:
            raise _damaged(archive, error.strerror or str(error)) from error
        raise fault(error, folder / top) from error
    if not count:
        raise BuildError(
            f"{archive.name} has no folder {top}/.",
            "Expected the layout of the releases on the public index.",
            "Check where your index takes this release from.",
        )


def _write(found: _Found, target: Path, room: int, archive: Path) -> int:
    """Write one file; returns its size in bytes. Raises BuildError if it has more than ``room``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    size = 0
    with found.source, target.open("wb") as file:
        while block := found.source.read(_BLOCK):
            size += len(block)
            if size > room:
                raise _damaged(archive, f"it unpacks to more than {_BYTES:,} bytes")
            file.write(block)
    target.chmod(0o755 if found.executable else 0o644)
    return size


def _damaged(archive: Path, problem: str) -> BuildError:
    return BuildError(
        f"{archive.name} is damaged: {problem[:200]}.",
        "Expected a wheel or sdist as it is on the public index.",
        f"Remove {archive} and run again; it is then fetched again.",
    )


def _inside(name: str, top: str, depth: int) -> PurePosixPath | None:
    parts = PurePosixPath(name).parts
    if ".." in parts or len(parts) <= depth + 1 or parts[depth] != top:
        return None
    return PurePosixPath(*parts[depth + 1 :])


def _wheel_members(archive: Path, top: str) -> Iterator[_Found]:
    with zipfile.ZipFile(archive) as wheel:
        for info in wheel.infolist():
            path = _inside(info.filename, top, 0)
            if path is not None and not info.is_dir():
                yield _Found(path, bool(info.external_attr >> 16 & 0o111), wheel.open(info))


def _sdist_members(archive: Path, top: str) -> Iterator[_Found]:
    with closing(tarfile.open(archive, "r|gz")) as sdist:
        for info in sdist:
            path = _inside(info.name, top, 1)
            source = sdist.extractfile(info) if info.isreg() else None
            if path is not None and source is not None:
                yield _Found(path, bool(info.mode & 0o111), source)
