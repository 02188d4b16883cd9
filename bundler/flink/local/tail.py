"""Reading what another process appends to a file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_BLOCK = 4 << 20
_LONGEST_LINE = 1 << 20


class Tail:
    """The lines of a growing file, each handed out once; a file that is not there has none.

    A line of more than a mebibyte comes in pieces.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._partial = b""

    def lines(self) -> list[str]:
        """The complete lines written since the last call: of 4 MiB at most, the next call has
        more."""
        data = self._read(_BLOCK)
        *whole, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > _LONGEST_LINE:
            whole.append(self._partial)
            self._partial = b""
        return [_decoded(line) for line in whole]

    def rest(self) -> Iterator[str]:
        """All lines up to the present end of the file, one that has not ended included."""
        try:
            end = self.path.stat().st_size
        except FileNotFoundError:
            return
        while self._offset < end:
            before = self._offset
            yield from self.lines()
            if self._offset == before:
                break  # somebody has cut the file
        if self._partial:
            yield _decoded(self._partial)
            self._partial = b""

    def _read(self, size: int) -> bytes:
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(size)
        except FileNotFoundError:
            return b""
        self._offset += len(data)
        return data


def _decoded(line: bytes) -> str:
    return line.rstrip(b"\r").decode(errors="replace")


def last_part(path: Path, size: int = 1 << 18) -> str:
    """The last ``size`` bytes of a file as text; nothing if it is not there."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read(size).decode(errors="replace")
    except FileNotFoundError:
        return ""
