"""RECORD files that stay true: without the rows of what is gone, with new ones for what changed."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import replace

from bundler.archive.entry import Entry, Inline
from bundler.archive.record import Row, read_record, render_record
from bundler.slim.rule import Slimming


def with_true_records(entries: list[Entry], slimming: Slimming) -> list[Entry]:
    """``entries``, each RECORD in site-packages listing what is there, as it is now."""
    names = {entry.name for entry in entries}
    return [
        _true_record(entry, names, slimming)
        if entry.name.endswith(".dist-info/RECORD") and slimming.inside(entry)
        else entry
        for entry in entries
    ]


def _true_record(entry: Entry, names: set[str], slimming: Slimming) -> Entry:
    rows = read_record(entry)
    kept = []
    for row in rows:
        name = slimming.site + row.path
        if row.path.startswith("../"):
            name = posixpath.normpath(name)
        if name in names:
            kept.append(_updated(row, name, slimming.changed))
    return entry if kept == rows else replace(entry, content=Inline(render_record(kept)))


def _updated(row: Row, name: str, changed: Mapping[str, Row]) -> Row:
    if name not in changed:
        return row
    return row._replace(hash=changed[name].hash, size=changed[name].size)
