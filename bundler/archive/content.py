"""The bytes of an entry, wherever they lie."""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator

from bundler.archive.directory import STORED, BadZip
from bundler.archive.entry import Content, Inline, Member, OnDisk

BLOCK = 1 << 20


def blocks(content: Content) -> Iterator[bytes]:
    """The uncompressed bytes, at most a mebibyte at a time.

    Raises BadZip (without a member's name) if compressed data are damaged, OSError if they
    cannot be read.
    """
    if isinstance(content, Inline):
        yield content.data
    elif isinstance(content, OnDisk):
        with content.path.open("rb", buffering=0) as file:
            while block := file.read(BLOCK):
                yield block
    elif content.method == STORED:
        yield from _raw(content)
    else:
        yield from _inflated(content)


def whole(content: Content) -> bytes:
    """All bytes at once; for files known to be small. Raises as `blocks`."""
    return content.data if isinstance(content, Inline) else b"".join(blocks(content))


def checked(content: Member) -> Iterator[bytes]:
    """As `blocks`, and at the end BadZip if size or CRC are not those the zip states."""
    crc = size = 0
    for block in blocks(content):
        crc = zlib.crc32(block, crc)
        size += len(block)
        yield block
    if size != content.size:
        raise BadZip("", f"it has {size} bytes instead of {content.size}")
    if crc != content.crc:
        raise BadZip("", "its CRC is wrong")


def crc_of(content: Content) -> int:
    """The CRC-32 of the uncompressed bytes; of zip members as stated there."""
    if isinstance(content, Member):
        return content.crc
    crc = 0
    for block in blocks(content):
        crc = zlib.crc32(block, crc)
    return crc


def _raw(content: Member) -> Iterator[bytes]:
    with content.archive.open("rb", buffering=0) as file:
        at, end = content.offset, content.offset + content.compressed_size
        while at < end:
            block = os.pread(file.fileno(), min(BLOCK, end - at), at)
            if not block:
                raise BadZip("", "it is truncated")
            yield block
            at += len(block)


def _inflated(content: Member) -> Iterator[bytes]:
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for block in _raw(content):
            while block:
                if data := inflate.decompress(block, BLOCK):
                    yield data
                block = inflate.unconsumed_tail
                if inflate.eof:
                    if block or inflate.unused_data:
                        raise BadZip("", "its data go on after their end")
                    break
        rest = inflate.flush()
    except zlib.error as error:
        raise BadZip("", f"its data are damaged ({error})") from error
    if not inflate.eof:
        raise BadZip("", "its data end early")
    view = io.BytesIO(rest)
    while data := view.read(BLOCK):
        yield data
