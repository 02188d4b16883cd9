"""What rules look for inside files, kept in the cache by what the files hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence

from bundler.archive.content import blocks, crc_of
from bundler.archive.entry import Entry
from bundler.slim.rule import Slimming
from bundler.support.files import whole_folder

_VERSION = 1
"""Part of the cache key: to be raised when a scan would find something else."""


def scanned(
    entries: Sequence[Entry], scan: Callable[[Entry, str], set[str]], slimming: Slimming
) -> set[str]:
    """What ``scan`` finds in all of ``entries``, from the cache if it was found before.

    ``scan`` gets an entry and its name within site-packages.
    """
    place = None
    if slimming.cache is not None:
        listing = [(slimming.inside(entry), crc_of(entry.content), entry.size) for entry in entries]
        key = hashlib.sha256(repr((_VERSION, scan.__name__, listing)).encode()).hexdigest()
        place = slimming.cache.path("mentions", key, "mentions")
        try:
            return set(json.loads((place / "found.json").read_bytes()))
        except (OSError, ValueError):
            pass
    found = set().union(*(scan(entry, slimming.inside(entry)) for entry in entries))
    if place is not None:
        with whole_folder(place) as folder:
            (folder / "found.json").write_text(json.dumps(sorted(found)))
    return found


def windows(entry: Entry, overlap: int) -> Iterator[bytes]:
    """The bytes of ``entry``, however many, in pieces that memory holds.

    Each begins with the last ``overlap`` bytes of the one before, so that nothing shorter is cut.
    """
    tail = b""
    for block in blocks(entry.content):
        data = tail + block
        yield data
        tail = data[-overlap:]
