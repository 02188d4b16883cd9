"""Locked files into the cache: what to download, and that a wheel which arrives is sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.pylock import PackageArchive, PackageSdist, PackageWheel

from bundler.session import Session
from bundler.support.download import download
from bundler.support.transfer import Download


def fetch(
    downloads: Sequence[Download], session: Session, *, indexes: Sequence[str] = ()
) -> list[Path]:
    """The files of ``downloads`` in the cache, in their order.

    ``indexes`` are index URLs beside those that are set up; they may carry credentials.
    Raises FetchError if one could not be fetched, has other bytes than promised, or is not in
    the cache of an offline session; BuildError if a wheel that arrives is not a sound wheel,
    VerificationError if its extensions are not for what its name says.
    """
    return download(
        downloads,
        session.cache,
        session.progress,
        offline=session.offline,
        indexes=indexes,
        check=lambda file, name: _check_if_wheel(file, name, session),
    )


def _check_if_wheel(file: Path, name: str, session: Session) -> None:
    if name.endswith(".whl"):
        from bundler.archive.binaries import check_binaries
        from bundler.archive.wheel_rules import check_wheel

        for finding in check_wheel(file, name):
            session.progress.warn(f"{name}: {finding}.")
        check_binaries(file, name)


def download_of(
    name: str, file: PackageWheel | PackageSdist | PackageArchive, folder: Path
) -> Download:
    """The download of a locked file of the package ``name``; a path in it is from ``folder``."""
    url = file.url or (folder / (file.path or "")).resolve().as_uri()
    called = file_name(url) if isinstance(file, PackageArchive) else file.filename
    return Download(name, called, url, file.hashes["sha256"], file.size)


def file_name(url: str) -> str:
    """The last part of a URL's path, unquoted: a wheel's or sdist's file name."""
    return unquote(urlsplit(url).path.rpartition("/")[2])
