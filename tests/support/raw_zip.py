"""Zips written field by field, so that any of them can be wrong (APPNOTE.TXT 6.3.10, 4.3)."""

from __future__ import annotations

import functools
import stat
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass

FILE = stat.S_IFREG | 0o644
LINK = stat.S_IFLNK | 0o777
DEFLATED, STORED = 8, 0
UTF8, DESCRIPTOR = 0x800, 0x8


@dataclass(frozen=True)
class RawMember:
    """One member; what is None is written as it should be.

    ``local_name`` is the name in the local header, ``central`` and ``local`` say whether it has an
    entry there at all. ``data`` are the bytes that are written, ``stated_size`` and so on what the
    headers say about them; ``descriptor`` is what a data descriptor does (CRC, sizes).
    """

    name: str | bytes
    content: bytes = b""
    mode: int = FILE
    method: int = DEFLATED
    flags: int = UTF8
    crc: int | None = None
    data: bytes | None = None
    stated_size: int | None = None
    stated_compressed: int | None = None
    local_size: int | None = None
    local_name: str | bytes | None = None
    extra: bytes = b""
    local_extra: bytes = b""
    needed: int = 20
    made_by: int = 0x314
    central: bool = True
    local: bool = True
    offset: int | None = None
    descriptor: tuple[int, int, int] | None = None


def raw_zip(
    members: Iterable[RawMember],
    *,
    prefix: bytes = b"",
    suffix: bytes = b"",
    comment: bytes = b"",
    count: int | None = None,
    zip64: tuple[int, int] | None = None,
) -> bytes:
    """The zip of ``members``; ``count`` is what its end record says, ``zip64`` (offset of the zip64
    end record that the locator states, size of extensible data) adds the zip64 records.
    """
    out = bytearray(prefix)
    central = bytearray()
    entries = 0
    for member in members:
        offset = len(out)
        data = _data(member)
        if member.local:
            out += _local(member, data) + data
            if member.flags & DESCRIPTOR:
                described = member.descriptor or _stated(member, data)
                out += struct.pack("<4s3L", b"PK\7\x08", *described)
        if member.central:
            entries += 1
            central += _central(member, data, offset if member.offset is None else member.offset)
    start = len(out)
    out += central
    entries = entries if count is None else count
    if zip64 is not None:
        at, extensible = zip64
        out += struct.pack(
            "<4sQ2H2L4Q", b"PK\6\6", 44 + extensible, 45, 45, 0, 0, entries, entries,
            len(central), start,
        ) + bytes(extensible)  # fmt: skip
        out += struct.pack("<4sLQL", b"PK\6\7", 0, at if at >= 0 else start + len(central), 1)
    size = len(central)
    out += struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, entries & 0xFFFF, entries & 0xFFFF, size, start, len(comment)
    )
    return bytes(out + comment + suffix)


def _data(member: RawMember) -> bytes:
    if member.data is not None:
        return member.data
    if member.method != DEFLATED:
        return member.content
    deflate = zlib.compressobj(6, zlib.DEFLATED, -15)
    return deflate.compress(member.content) + deflate.flush()


def _stated(member: RawMember, data: bytes) -> tuple[int, int, int]:
    crc = zlib.crc32(member.content) if member.crc is None else member.crc
    packed = len(data) if member.stated_compressed is None else member.stated_compressed
    size = len(member.content) if member.stated_size is None else member.stated_size
    return crc, packed, size


def _local(member: RawMember, data: bytes) -> bytes:
    name = _raw(member.name if member.local_name is None else member.local_name)
    crc, packed, size = _stated(member, data)
    if member.local_size is not None:
        size = member.local_size
    if member.flags & DESCRIPTOR and member.local_size is None:
        crc = packed = size = 0
    header = struct.pack(
        "<4s5H3L2H", b"PK\3\4", member.needed, member.flags, member.method, 0, 33, crc, packed,
        size, len(name), len(member.local_extra),
    )  # fmt: skip
    return header + name + member.local_extra


def _central(member: RawMember, data: bytes, offset: int) -> bytes:
    name = _raw(member.name)
    header = struct.pack(
        "<4s6H3L5H2L", b"PK\1\2", member.made_by, member.needed, member.flags, member.method, 0,
        33, *_stated(member, data), len(name), len(member.extra), 0, 0, 0,
        (member.mode << 16) & 0xFFFFFFFF, offset,
    )  # fmt: skip
    return header + name + member.extra


def _raw(name: str | bytes) -> bytes:
    raw = name.encode(errors="surrogatepass") if isinstance(name, str) else name
    return raw[:0xFFFF]


@functools.cache
def zeros(megabytes: int) -> bytes:
    """Deflated zeros: about a thousandth of ``megabytes``, made without holding them."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    one = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return one * megabytes + deflate.flush()


@functools.cache
def zeros_crc(megabytes: int) -> int:
    """The CRC of what `zeros` inflates to."""
    crc, block = 0, bytes(1 << 20)
    for _ in range(megabytes):
        crc = zlib.crc32(block, crc)
    return crc


def bomb(name: str, megabytes: int, mode: int = FILE) -> RawMember:
    """A member that is small here, and inflates to ``megabytes`` of zeros as its headers say."""
    return RawMember(
        name,
        mode=mode,
        data=zeros(megabytes),
        crc=zeros_crc(megabytes),
        stated_size=megabytes << 20,
    )
