"""The rule for symbols: shared libraries without what only debuggers read, kept in the cache."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bundler.archive.content import blocks
from bundler.archive.entry import Entry, Member, OnDisk
from bundler.archive.read import zip_entries
from bundler.archive.record import Row, encoded
from bundler.archive.writer import write_archive
from bundler.elf.strip import strip
from bundler.errors import BundlerError
from bundler.slim.rule import Rule, Slimming
from bundler.support.cache import Cache
from bundler.support.files import sha256_of, whole_folder

_LIBRARY = re.compile(r"\.so(\.[\d.]+)?$")

_VERSION = 2
"""Part of the cache key: to be raised when `strip` would give other bytes."""


def _without_symbols(entries: Sequence[Entry], slimming: Slimming) -> list[Entry]:
    """Replace shared libraries by ones without symbols; needs a cache to keep them in."""
    if slimming.cache is None:
        return list(entries)
    libraries = {
        entry.name: entry.content
        for entry in entries
        if isinstance(entry.content, Member)
        and _LIBRARY.search(entry.name)
        and slimming.inside(entry)
    }
    replaced: dict[str, Entry] = {}
    with slimming.progress.task("Stripping symbols", len(libraries), "libraries") as task:
        for entry in entries:
            if (content := libraries.get(entry.name)) is None:
                continue
            stripped = _stripped(entry, content, slimming.cache)
            if stripped is not None:
                replaced[entry.name], slimming.changed[entry.name] = stripped
            task.advance()
    return [replaced.get(entry.name, entry) for entry in entries]


SYMBOLS = Rule(
    "symbols",
    "symbol tables and debug sections of shared libraries, which only debuggers read",
    False,
    _without_symbols,
)


def _stripped(entry: Entry, content: Member, cache: Cache) -> tuple[Entry, Row] | None:
    """The library without symbols and its row of RECORD; None if there is nothing to strip."""
    # What identifies the bytes without inflating them: two libraries that agree in all of this
    # and in their compressed bytes are the same.
    digest = hashlib.sha256(repr((_VERSION, content.crc, entry.size)).encode())
    for block in blocks(replace(content, method=0)):
        digest.update(block)
    folder = cache.path("stripped", digest.hexdigest(), "library")
    found = _read_stripped(folder)
    if found is None:
        with cache.lock(f"stripped-{digest.hexdigest()[:16]}"):
            _strip(entry, folder)
        found = _read_stripped(folder)
    if found is None or found[0] is None:
        return None
    return replace(entry, content=found[0]), found[1]


def _read_stripped(folder: Path) -> tuple[Member | None, Row] | None:
    """The kept library and its hash; None for the library if there was nothing to strip."""
    try:
        facts = json.loads((folder / "facts.json").read_bytes())
        row = Row("", facts["hash"], str(facts["size"]))
        if not facts["archive"]:
            return None, row
        archive = folder / "library.zip"
        if sha256_of(archive) != facts["archive"]:
            return None
        content = zip_entries(archive)[0].content
        return (content, row) if isinstance(content, Member) else None
    except (OSError, ValueError, KeyError, IndexError, BundlerError):
        return None


def _strip(entry: Entry, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with whole_folder(folder) as temporary, tempfile.TemporaryDirectory(dir=temporary) as scratch:
        before, after = Path(scratch, "before"), Path(scratch, "after")
        with before.open("wb") as file:
            for block in blocks(entry.content):
                file.write(block)
        facts = {"archive": "", "hash": "", "size": entry.size}
        if strip(before, after, symbols=True):
            size = after.stat().st_size
            archive = write_archive(
                [Entry("library.so", entry.mode, OnDisk(after, size))], temporary / "library.zip"
            )
            digest = bytes.fromhex(sha256_of(after))
            facts = {"archive": archive.sha256, "hash": encoded(digest), "size": size}
        (temporary / "facts.json").write_text(json.dumps(facts))
