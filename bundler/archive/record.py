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


class Row(NamedTuple):
    """One file: path relative to site-packages, ``algorithm=digest`` and size, "" if unstated."""

    path: str
    hash: str
    size: str


def parse_record(data: bytes) -> list[Row]:
    """The rows of a RECORD; ValueError if it is not one."""
    rows = []
    try:
        for fields in csv.reader(io.StringIO(data.decode(), newline=""), strict=True):
            if len(fields) == 3:
                rows.append(Row(fields[0], fields[1], fields[2]))
            elif fields:
                raise ValueError(f"a line has {len(fields)} fields instead of 3")
    except csv.Error as error:
        raise ValueError(str(error)) from error
    return rows


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
