"""The bytes of an entry, wherever they lie, and never more of them than was said."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator

from bundler.archive.directory import BadZip
from bundler.archive.entry import Content, Inline, Member, OnDisk
from bundler.archive.zipformat import STORED

BLOCK = 1 << 20

MAX_WHOLE = 1 << 30
"""The most bytes that are read at once if no smaller limit is given: a very large library."""


def blocks(content: Content) -> Iterator[bytes]:
    """The uncompressed bytes, at most a mebibyte at a time.

    Raises BadZip (without a member's name) if compressed data are damaged or more than the zip
    states, OSError if they cannot be read.
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


def whole(content: Content, limit: int = MAX_WHOLE) -> bytes:
    """All bytes at once, if there are at most ``limit``: counted while they are read.

    Raises as `blocks`, and BadZip if there are more.
    """
    if isinstance(content, Inline):
        found = [content.data]
    elif content.size > limit:
        raise _too_large(limit)
    else:
        found, left = [], limit
        for block in blocks(content):
            found.append(block)
            left -= len(block)
            if left < 0:
                raise _too_large(limit)
    if sum(map(len, found)) > limit:
        raise _too_large(limit)
    return found[0] if len(found) == 1 else b"".join(found)


def checked(content: Member) -> Iterator[bytes]:
    """As `blocks`, and at the end BadZip if size or CRC are not those the zip states."""
    crc = size = 0
    for block in blocks(content):
        crc = zlib.crc32(block, crc)
        size += len(block)
        yield block
    if size != content.size:
        raise _other_size(content)
    if crc != content.crc:
        raise BadZip("", "its CRC is wrong")


def checked_whole(content: Member, limit: int) -> bytes:
    """All bytes of a member of at most ``limit``, size and CRC checked. Raises as `whole`."""
    if content.size > limit:
        raise _too_large(limit)
    return b"".join(checked(content))


def crc_of(content: Content) -> int:
    """The CRC-32 of the uncompressed bytes; of zip members as stated there."""
    if isinstance(content, Member):
        return content.crc
    crc = 0
    for block in blocks(content):
        crc = zlib.crc32(block, crc)
    return crc


def _too_large(limit: int) -> BadZip:
    return BadZip("", f"it has more than {limit:,} bytes, the most that is read of its kind")


def _other_size(content: Member) -> BadZip:
    return BadZip("", f"it does not have the {content.size:,} bytes that are stated")


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
    """The inflated bytes, and BadZip at the first that is more than the zip states."""
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    left = content.size
    try:
        for block in _raw(content):
            while block:
                if data := inflate.decompress(block, BLOCK):
                    left -= len(data)
                    if left < 0:
                        raise _other_size(content)
                    yield data
                block = inflate.unconsumed_tail
                if inflate.eof:
                    if block or inflate.unused_data:
                        raise BadZip("", "its data go on after their end")
                    break
        # With all input taken, at most a window is left in zlib.
        rest = inflate.flush()
    except zlib.error as error:
        raise BadZip("", f"its data are damaged ({error})") from error
    if not inflate.eof:
        raise BadZip("", "its data end early")
    if len(rest) > left:
        raise _other_size(content)
    if rest:
        yield rest
