"""Taking one folder out of a release's wheel or sdist."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO

from bundler.errors import BuildError


def unpack(archive: Path, folder: Path, top: str) -> None:
    """Write the regular files below the folder named ``top`` of ``archive`` into ``folder``.

    ``top`` is at the root of a wheel, and one level down in an sdist. Executable files stay so.
    Raises BuildError if the archive is damaged or has nothing there.
    """
    members = _wheel_members if zipfile.is_zipfile(archive) else _sdist_members
    count = 0
    try:
        for path, executable, source in members(archive, top):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file, 1 << 20)
            target.chmod(0o755 if executable else 0o644)
            count += 1
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise BuildError(
            f"{archive.name} is damaged: {error}.",
            remedy=f"Remove {archive} and run again; it is then fetched again.",
        ) from error
    if not count:
        raise BuildError(
            f"{archive.name} has no folder {top}/.",
            "Expected the layout of the releases on the public index.",
            "Check where your index takes this release from.",
        )


def _inside(name: str, top: str, depth: int) -> PurePosixPath | None:
    parts = PurePosixPath(name).parts
    if ".." in parts or len(parts) <= depth + 1 or parts[depth] != top:
        return None
    return PurePosixPath(*parts[depth + 1 :])


def _wheel_members(archive: Path, top: str) -> Iterator[tuple[PurePosixPath, bool, IO[bytes]]]:
    with zipfile.ZipFile(archive) as wheel:
        for info in wheel.infolist():
            path = _inside(info.filename, top, 0)
            if path is not None and not info.is_dir():
                yield path, bool(info.external_attr >> 16 & 0o111), wheel.open(info)


def _sdist_members(archive: Path, top: str) -> Iterator[tuple[PurePosixPath, bool, IO[bytes]]]:
    with closing(tarfile.open(archive, "r|gz")) as sdist:
        for info in sdist:
            path = _inside(info.name, top, 1)
            source = sdist.extractfile(info) if info.isreg() else None
            if path is not None and source is not None:
                yield path, bool(info.mode & 0o111), source
