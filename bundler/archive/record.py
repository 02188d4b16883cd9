"""RECORD files: what a distribution installed, with hashes (packaging.python.org, "Recording
installed projects").
"""

from __future__ import annotations

import csv
import hashlib
import io
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import NamedTuple

from bundler.archive.content import whole
from bundler.archive.directory import BadZip
from bundler.archive.entry import Entry
from bundler.archive.names import shown
from bundler.errors import BuildError

# Of half a million files.
_MAX_BYTES = 64 << 20
_MAX_ROWS = 1_000_000


class Row(NamedTuple):
    """One file: path relative to site-packages, ``algorithm=digest`` and size, "" if unstated."""

    path: str
    hash: str
    size: str


def parse_record(data: bytes, most: int = _MAX_ROWS) -> list[Row]:
    """The rows of a RECORD, at most ``most``; ValueError if it is not one or has more."""
    rows: list[Row] = []
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error
    try:
        for fields in csv.reader(io.StringIO(text, newline=""), strict=True):
            if len(fields) == 3:
                rows.append(Row(fields[0], fields[1], fields[2]))
            elif fields:
                raise ValueError(f"a line has {len(fields)} fields instead of 3")
            if len(rows) > most:
                raise ValueError(f"it has more than {most:,} lines")
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return rows


def read_record(entry: Entry) -> list[Row]:
    """The rows of a RECORD among the entries of an archive. Raises BuildError if it is not one."""
    try:
        return parse_record(whole(entry.content, _MAX_BYTES))
    except (ValueError, BadZip) as error:
        problem = error.problem if isinstance(error, BadZip) else str(error)
        raise BuildError(
            f"{shown(entry.name)} ({entry.owner or 'the archive'}) cannot be read: {problem}.",
            "Expected a line of path, hash and size for each file of a package.",
            "Install this package again, or leave it out.",
        ) from error


def render_record(rows: Iterable[Row]) -> bytes:
    """A RECORD of ``rows``, sorted by path."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(sorted(rows))
    return text.getvalue().encode()


def row_of(path: str, data: bytes) -> Row:
    """The row of a file with these bytes."""
    return Row(path, encoded(hashlib.sha256(data).digest()), str(len(data)))


def encoded(digest: bytes) -> str:
    """A SHA-256 digest as RECORD has it."""
    return "sha256=" + urlsafe_b64encode(digest).rstrip(b"=").decode()
