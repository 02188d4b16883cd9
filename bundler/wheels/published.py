"""One published release, as a file: what a tool needs beside the user's packages."""

from __future__ import annotations

import tempfile
from pathlib import Path

from packaging.pylock import PackageSdist, PackageWheel

from bundler.errors import FetchError
from bundler.lock.fetch import download_of, fetch
from bundler.lock.pylock import read_lock
from bundler.lock.resolve import uv_compile
from bundler.session import Session
from bundler.support.files import digest_of, whole_file


def fetch_release(name: str, version: str, session: Session) -> Path:
    """The wheel of ``name`` ``version`` that fits this machine, or its sdist, in the cache.

    Raises FetchError if the user's index does not have that release.
    """
    kept = session.cache.path("releases", digest_of(f"{name}=={version}".encode()), "pylock.toml")
    if kept.is_file():
        try:
            return _fetched(kept, session)
        except FetchError:
            # The file may be gone, or the index may be another one now.
            if session.offline:
                raise
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
        wanted = Path(scratch, "release.in")
        wanted.write_text(f"{name}=={version}\n", encoding="utf-8")
        finished = uv_compile(["--no-deps", wanted], kept.parent, offline=session.offline)
    if finished.returncode != 0:
        raise FetchError(
            f"Could not fetch {name} {version}: {' '.join(finished.stderr.split())}",
            "Expected it on the index that pip or uv is set up for.",
            "Check PIP_INDEX_URL, HTTPS_PROXY and the network.",
        )
    with whole_file(kept) as temporary:
        temporary.write_text(finished.stdout, encoding="utf-8")
    return _fetched(kept, session)


def _fetched(kept: Path, session: Session) -> Path:
    [(package, source)] = read_lock(kept).pylock.select()
    assert isinstance(source, PackageWheel | PackageSdist)
    item = download_of(str(package.name), source, kept.parent)
    return fetch([item], session)[0]
