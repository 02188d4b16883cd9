"""A file that is hashed and written while its next parts are still being read."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

# Buffers that fit the CPU's cache. Copying from file to file inside the kernel was tried, and
# costs more than it saves: the bytes must be read for their hash anyway.
_BUFFER = 1 << 20
_BUFFERS = 4


class Output:
    """Takes bytes and ranges of other files, in order.

    One thread hashes and another writes, both without Python's lock; the buffers between are all
    the memory this takes.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._digest = hashlib.sha256()
        self._hashing, self._writing = ThreadPoolExecutor(1), ThreadPoolExecutor(1)
        self._free = [memoryview(bytearray(_BUFFER)) for _ in range(_BUFFERS)]
        self._busy: deque[tuple[memoryview, Future[None], Future[None]]] = deque()
        self._buffer = self._free.pop()
        self._fill = 0
        self.position = 0

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Output]:
        """Open ``path``, emptied; nothing runs on when the block is left."""
        with path.open("wb", buffering=0) as file:
            output = cls(file.fileno())
            try:
                yield output
            finally:
                output._hashing.shutdown(cancel_futures=True)
                output._writing.shutdown(cancel_futures=True)

    def write(self, data: bytes) -> None:
        """Append ``data``. Raises OSError, now or later, if it cannot be written."""
        length = len(data)
        self.position += length
        if self._fill + length <= _BUFFER:
            self._buffer[self._fill : self._fill + length] = data
            self._fill += length
            return
        rest = memoryview(data)
        while rest:
            room = self._room()
            part = rest[: len(room)]
            room[: len(part)] = part
            self._fill += len(part)
            rest = rest[len(part) :]

    def copy(self, descriptor: int, offset: int, length: int) -> bool:
        """Append ``length`` bytes of another file; whether it has that many."""
        self.position += length
        while length:
            room = self._room()[:length]
            count = os.preadv(descriptor, [room], offset)
            if not count:
                return False
            self._fill += count
            offset += count
            length -= count
        return True

    def finish(self) -> tuple[int, str]:
        """Size and SHA-256 of the file, once it is complete."""
        self._flush()
        while self._busy:
            self._reclaim()
        return self.position, self._digest.hexdigest()

    def _room(self) -> memoryview:
        if self._fill == _BUFFER:
            self._flush()
        return self._buffer[self._fill :]

    def _flush(self) -> None:
        data = self._buffer[: self._fill]
        hashed = self._hashing.submit(self._digest.update, data)
        self._busy.append((self._buffer, hashed, self._writing.submit(self._write, data)))
        if not self._free:
            self._reclaim()
        self._buffer = self._free.pop()
        self._fill = 0

    def _reclaim(self) -> None:
        buffer, *futures = self._busy.popleft()
        for future in futures:
            future.result()
        self._free.append(buffer)

    def _write(self, data: memoryview) -> None:
        while data:
            data = data[os.write(self._descriptor, data) :]
