"""Which files are deflated, and that they are while others are being written.

Small and generated files are deflated whole, large ones in blocks, each by whatever thread is
free. What comes out depends on the bytes alone: neither on the number of threads nor on timing.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bundler.archive.content import BLOCK
from bundler.archive.entry import Entry, Inline, OnDisk
from bundler.errors import BuildError

_WINDOW = 16
"""How many blocks are deflated ahead of their turn: bounds the memory."""
_DICTIONARY = 1 << 15
_LEVEL = 6
_SHRINKS = 0.95


class Plain(NamedTuple):
    """An entry to be written as it is: spliced, or stored because it would not shrink."""

    entry: Entry


class Block(NamedTuple):
    """One block of an entry, raw and deflated; small entries have one, ``first`` and ``last``."""

    entry: Entry
    deflated: Future[tuple[bytes, bytes]]
    first: bool = True
    last: bool = True


Step = Plain | Block


def steps(entries: Sequence[Entry], stack: ExitStack) -> Iterator[Step]:
    """What to write, in order, with blocks begun some steps ahead of their turn.

    ``stack`` ends the threads. Raises BuildError for a file that cannot be read or changes.
    """
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    stack.callback(pool.shutdown, cancel_futures=True)
    ahead: deque[Step] = deque()
    running = 0
    for step in _planned(entries, pool):
        ahead.append(step)
        running += isinstance(step, Block)
        while ahead and (running >= _WINDOW or isinstance(ahead[0], Plain)):
            ready = ahead.popleft()
            running -= isinstance(ready, Block)
            yield ready
    yield from ahead


@dataclass(slots=True)
class Sums:
    """What is known of a file once its last block was added: CRC-32 and sizes in bytes."""

    crc: int = 0
    size: int = 0
    compressed: int = 0


class Spool:
    """Deflated blocks of one large file, on disk until the last: their sizes precede them."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._descriptor: int | None = None
        self.sums = Sums()

    @property
    def descriptor(self) -> int:
        """The unnamed file that holds the blocks, from its start."""
        if self._descriptor is None:
            file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - the stack closes it
            self._descriptor = self._stack.enter_context(file).fileno()
        return self._descriptor

    def clear(self) -> None:
        """Begin with the next file."""
        self.sums = Sums()

    def add(self, raw: bytes, deflated: bytes) -> None:
        """Append one block."""
        sums = self.sums
        sums.crc = zlib.crc32(raw, sums.crc)
        sums.size += len(raw)
        view = memoryview(deflated)
        while view:
            count = os.pwrite(self.descriptor, view, sums.compressed)
            sums.compressed += count
            view = view[count:]


def _planned(entries: Sequence[Entry], pool: ThreadPoolExecutor) -> Iterator[Step]:
    for entry in entries:
        content = entry.content
        if isinstance(content, Inline) and not entry.is_symlink and content.data:
            yield Block(entry, pool.submit(_deflate_bytes, content.data))
        elif isinstance(content, OnDisk) and content.size <= BLOCK:
            yield Block(entry, pool.submit(_deflate_block, entry, content, 0))
        elif isinstance(content, OnDisk) and _shrinks(content):
            for offset in range(0, content.size, BLOCK):
                deflated = pool.submit(_deflate_block, entry, content, offset)
                yield Block(entry, deflated, offset == 0, offset + BLOCK >= content.size)
        else:
            yield Plain(entry)


def _deflate_bytes(data: bytes) -> tuple[bytes, bytes]:
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return data, deflate.compress(data) + deflate.flush()


def _deflate_block(entry: Entry, content: OnDisk, offset: int) -> tuple[bytes, bytes]:
    """One block, raw and deflated, so that the deflated blocks of a file make one stream.

    Each starts from the bytes before it as its dictionary and ends on a byte boundary: what
    blocks are deflated together, or by how many threads, does not change the result.
    """
    size = min(BLOCK, content.size - offset)
    before = min(_DICTIONARY, offset)
    with reading(content.path), content.path.open("rb", buffering=0) as file:
        data = os.pread(file.fileno(), before + size, offset - before)
        at_end = len(data) == before + size
        if offset + size == content.size and os.fstat(file.fileno()).st_size != content.size:
            at_end = False
    if not at_end:
        raise changed(entry, content.path)
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=data[:before])
    raw = data[before:]
    last = offset + size == content.size
    # A sync flush ends the block on a byte, so that the next can simply follow.
    return raw, deflate.compress(raw) + deflate.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


def _shrinks(content: OnDisk) -> bool:
    with reading(content.path), content.path.open("rb", buffering=0) as file:
        sample = file.read(BLOCK // 4)
    return len(zlib.compress(sample, 1)) < len(sample) * _SHRINKS


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns an OSError within the block into the BuildError that names ``path``."""
    try:
        yield
    except OSError as error:
        raise BuildError(
            f"{path} cannot be read: {error.strerror or error}.",
            "The archive needs it.",
            "Put it back, or give it read permission.",
        ) from error


def changed(entry: Entry, path: Path) -> BuildError:
    """The error for a file that is another than when it was looked at."""
    return BuildError(
        f"{path} changed while {entry.name} was written from it.",
        "Expected it to stay the same until the archive is written.",
        "Run the command again when nothing else writes to it.",
    )
