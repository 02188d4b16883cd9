"""Bases in the cache: slimmed and compressed once, spliced ever after."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.archive.glibc import GlibcNeed, glibc_needed
from bundler.archive.read import zip_entries
from bundler.archive.writer import write_archive
from bundler.base.model import Base
from bundler.errors import BundlerError
from bundler.session import Session
from bundler.support.cache import remove_unless_file, remove_unless_folder
from bundler.support.files import fault, read_bounded, sha256_of, whole_file, whole_folder

if TYPE_CHECKING:
    from bundler.archive.entry import Entry
    from bundler.support.cache import Cache
    from bundler.support.progress import Progress

_LARGEST_FACTS = 4 << 20

RECIPE = "3"
"""Part of every key: to be raised when the same Python would give other bytes than before."""


@dataclass(frozen=True, slots=True)
class NewBase:
    """A base before it is compressed; ``sources`` are files of this machine it depends on."""

    python_version: str
    entries: Sequence[Entry]
    site_packages: str
    executable: str
    distributions: tuple[tuple[str, str], ...] = ()
    sources: tuple[Path, ...] = ()


def key_of(*parts: object) -> str:
    """The cache key of a base that ``parts`` (anything JSON holds) identify."""
    return hashlib.sha256(json.dumps([RECIPE, *parts]).encode()).hexdigest()


def load(cache: Cache, identity: str, kind: str, reason: str) -> Base | None:
    """The base kept under ``identity``; None if there is none, it is damaged, or this machine's
    files that it was made from have changed since.
    """
    try:
        kept = cache.path("base", identity, "sources.json")
        sources = json.loads(read_bounded(kept, _LARGEST_FACTS))
        folder = cache.path("base", _state(identity, [Path(source) for source in sources]), "base")
        return _read(folder, kind, reason)
    except (OSError, ValueError, LookupError, TypeError, RecursionError, BundlerError):
        return None


def keep(
    session: Session,
    identity: str,
    kind: str,
    reason: str,
    make: Callable[[Path], NewBase],
) -> Base:
    """The base kept under ``identity``, made first if need be.

    ``make`` gets an empty folder for files that its entries point at. Raises what it raises, and
    BuildError or UsageError when the cache cannot be written.
    """
    if (base := load(session.cache, identity, kind, reason)) is not None:
        return base
    parent = _folder(session.cache)
    with session.cache.lock(f"base-{identity[:16]}"):
        if (base := load(session.cache, identity, kind, reason)) is not None:
            return base
        with tempfile.TemporaryDirectory(prefix=".making-", dir=parent) as staging:
            made = make(Path(staging))
            sources = [path.absolute() for path in made.sources]
            folder = session.cache.path("base", _state(identity, sources), "base")
            # Damaged, or not of this program's making
            remove_unless_folder(folder)
            shutil.rmtree(folder, ignore_errors=True)
            with whole_folder(folder) as temporary:
                _write(made, temporary, session.progress)
        place = session.cache.path("base", identity, "sources.json")
        remove_unless_file(place)
        with whole_file(place) as path:
            path.write_text(json.dumps([str(source) for source in sources]))
    return _read(folder, kind, reason)


def _write(made: NewBase, folder: Path, progress: Progress) -> None:
    archive = folder / "base.zip"
    write_archive(made.entries, archive, progress=progress)
    need = glibc_needed(made.entries)
    facts = {
        "python_version": made.python_version,
        "site_packages": made.site_packages,
        "executable": made.executable,
        "distributions": made.distributions,
        "glibc": [need.version, need.file, need.symbol],
        "sha256": sha256_of(archive),
    }
    (folder / "base.json").write_text(json.dumps(facts))


def _read(folder: Path, kind: str, reason: str) -> Base:
    facts = json.loads(read_bounded(folder / "base.json", _LARGEST_FACTS))
    archive = folder / "base.zip"
    if sha256_of(archive) != facts["sha256"]:
        raise ValueError(archive)
    version, file, symbol = facts["glibc"]
    owner = f"Python {facts['python_version']} ({kind})"
    return Base(
        kind,
        reason,
        facts["python_version"],
        tuple(zip_entries(archive, owner)),
        facts["site_packages"],
        facts["executable"],
        GlibcNeed((version[0], version[1]), file, symbol),
        tuple((name, version) for name, version in facts["distributions"]),
    )


def _state(identity: str, sources: Sequence[Path]) -> str:
    stats = [(path, path.stat()) for path in sources]
    return key_of(identity, [(str(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats])


def _folder(cache: Cache) -> Path:
    folder = cache.root / "base"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise fault(error, folder) from error
    return folder
