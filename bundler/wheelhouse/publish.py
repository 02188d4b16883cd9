"""Finished wheels to a package index, with twine; first to a test index, then to the real one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

from bundler.errors import UsageError
from bundler.support.files import sha256_of
from bundler.support.progress import SILENT, Progress
from bundler.wheelhouse.index_files import list_files
from bundler.wheelhouse.repository import Repository
from bundler.wheelhouse.with_twine import check_with_twine, upload_with_twine


def publish(
    files: Sequence[Path],
    repository: Repository,
    progress: Progress = SILENT,
    *,
    tested: Repository | None = None,
) -> None:
    """Upload ``files`` to ``repository``, all of them or none.

    ``tested`` is a test index that must have the same bytes already. Raises UsageError if a file
    is not one of a distribution, its name exists in ``repository`` (an index takes every name once,
    whatever becomes of the file) or is not in ``tested``; BuildError if twine refuses a file or the
    upload fails; FetchError if the index cannot be read.
    """
    ordered = libraries_first(files)
    check_with_twine(ordered)
    with progress.task(f"Listing the files on {repository.shown}"):
        if tested is not None:
            _need_tested(ordered, tested)
        _refuse_existing(ordered, repository)
    with progress.task(f"Uploading {len(ordered)} files to {repository.shown}"):
        upload_with_twine(ordered, repository)


def libraries_first(files: Sequence[Path]) -> list[Path]:
    """``files`` with what a split moved out of a package before that package.

    Whoever installs the package while the upload goes on finds what it requires. Raises UsageError
    for a file that is neither a wheel nor a sdist.
    """
    projects = {path: _project(path) for path in files}
    names = set(projects.values())

    def carries_pieces(path: Path) -> bool:
        match = re.fullmatch(r"(.+)-lib(-[0-9]+)?", projects[path])
        return match is not None and match[1] in names

    return sorted(files, key=lambda path: (not carries_pieces(path), path.name))


def _project(path: Path) -> str:
    """The project that a file is of, by its name."""
    try:
        if path.is_file() and path.suffix == ".whl":
            return canonicalize_name(parse_wheel_filename(path.name)[0])
        if path.is_file() and path.name.endswith(".tar.gz"):
            return canonicalize_name(parse_sdist_filename(path.name)[0])
    except (InvalidWheelFilename, InvalidSdistFilename):
        pass
    raise UsageError(
        f"{path} is neither a wheel nor a sdist.",
        "Expected files *.whl or *.tar.gz, named as their formats say.",
        "Leave it out.",
    )


def _refuse_existing(files: Sequence[Path], repository: Repository) -> None:
    there = list_files(map(_project, files), repository)
    existing = [path.name for path in files if path.name in there]
    if existing:
        raise UsageError(
            f"{repository.shown} already has {', '.join(existing[:3])}"
            f"{f' and {len(existing) - 3} more' if existing[3:] else ''}.",
            "An index never accepts the same file name twice, even after deletion.",
            "Raise the version and build again.",
        )


def _need_tested(files: Sequence[Path], tested: Repository) -> None:
    there = list_files(map(_project, files), tested)
    for path in files:
        digest = there.get(path.name)
        if digest is None or digest not in ("", sha256_of(path)):
            found = "does not have it" if digest is None else "has other bytes under that name"
            raise UsageError(
                f"{path.name} has not been tested: {tested.shown} {found}.",
                "Files must be published to the test index before the real one.",
                f"Publish to {tested.shown} and install from there first, or use --untested.",
            )
