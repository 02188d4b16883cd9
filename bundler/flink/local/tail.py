"""Reading what another process appends to a file."""

from __future__ import annotations

import os
from pathlib import Path


class Tail:
    """The lines of a growing file, each handed out once; a file that is not there has none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._partial = b""

    def lines(self, *, last: bool = False) -> list[str]:
        """The complete lines written since the last call; with ``last``, an unended one too."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(data)
        *whole, self._partial = (self._partial + data).split(b"\n")
        if last and self._partial:
            whole.append(self._partial)
            self._partial = b""
        return [line.rstrip(b"\r").decode(errors="replace") for line in whole]


def last_part(path: Path, size: int = 1 << 18) -> str:
    """The last ``size`` bytes of a file as text; nothing if it is not there."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - size))
            return file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
