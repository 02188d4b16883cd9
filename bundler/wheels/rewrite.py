"""A wheel written from entries, with the RECORD that their bytes call for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from bundler.archive.content import blocks
from bundler.archive.entry import Content, Entry, text_entry
from bundler.archive.record import Row, encoded, render_record
from bundler.archive.writer import write_archive


def write_wheel(entries: Iterable[Entry], dist_info: str, out: Path) -> None:
    """Write ``entries`` and their RECORD, in the folder ``dist_info``, to ``out``: whole or not.

    A RECORD among them is replaced. Entries are in order of their names: the wheel format only
    encourages a .dist-info folder at the end. Raises BuildError or UsageError as `write_archive`.
    """
    record = f"{dist_info}/RECORD"
    kept = [entry for entry in entries if entry.name != record]
    rows = [Row(entry.name, _digest(entry.content), str(entry.size)) for entry in kept]
    rows.append(Row(record, "", ""))
    write_archive([*kept, text_entry(record, render_record(rows).decode())], out)


def _digest(content: Content) -> str:
    digest = hashlib.sha256()
    for block in blocks(content):
        digest.update(block)
    return encoded(digest.digest())
