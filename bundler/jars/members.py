"""The files in a JAR, as the JVM reads them: a name may be there twice, no byte may be wrong."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bundler.archive.directory import BadZip, central_directory
from bundler.archive.zipformat import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    ENCRYPTED,
    LOCAL,
    LOCAL_SIGNATURE,
    STORED,
)
from bundler.support.files import open_regular

# flink-dist 2.2.1, a large JAR, has 36,000.
_FILES = 500_000
_DIRECTORY_BYTES = 128 << 20
_BLOCK = 1 << 20
_UNPACKED_BYTES = 4 << 30
# APPNOTE.TXT 4.4.3: the newest version of the format is 6.3.
_NEWEST = 63


class JarMember(NamedTuple):
    """One file: its name, and its row in the central directory."""

    name: str
    flags: int
    method: int
    crc: int
    compressed_size: int
    size: int
    header: int


def read_members(path: Path) -> list[JarMember]:
    """The files that the JAR ``path`` lists, folders left out, in its order.

    Raises BadZip for what is not a whole zip, is too large to be a JAR, or has names that are not
    text; UsageError if it is not a regular file.
    """
    with open_regular(path, "a .jar file") as file:
        descriptor = file.fileno()
        length = os.fstat(descriptor).st_size
        blob, _, count = central_directory(descriptor, length, _DIRECTORY_BYTES)
        if count > _FILES:
            raise BadZip("", f"it has {count:,} files, more than {_FILES:,}")
        members = list(_members(blob, count))
    if sum(member.size for member in members) > _UNPACKED_BYTES:
        raise BadZip("", f"it unpacks to more than {_UNPACKED_BYTES:,} bytes")
    return members


def _members(blob: bytes, count: int) -> Iterator[JarMember]:
    at = 0
    for _ in range(count):
        if at + CENTRAL.size > len(blob) or not blob.startswith(CENTRAL_SIGNATURE, at):
            raise BadZip("", "its central directory is damaged")
        fields = CENTRAL.unpack_from(blob, at)
        version, flags, method = fields[2] & 0xFF, fields[3], fields[4]
        crc, compressed, size = fields[7:10]
        name_length, extra_length, comment_length = fields[10:13]
        at += CENTRAL.size
        name = blob[at : at + name_length].decode(errors="replace")
        at += name_length + extra_length + comment_length
        if not name.isprintable():
            raise BadZip(repr(name[:80]), "its name has control characters")
        if ".." in name.split("/") or name.startswith("/"):
            raise BadZip(name, "its name leads out of the JAR")
        if version > _NEWEST:
            raise BadZip(name, f"it needs version {version // 10}.{version % 10} of the zip format")
        if not name.endswith("/"):
            yield JarMember(name, flags, method, crc, compressed, size, fields[16])


def check_members(path: Path, members: list[JarMember]) -> None:
    """Read every file once. Raises BadZip, naming it, for the first that the JVM could not read."""
    with path.open("rb", buffering=0) as file:
        for member in members:
            if member.flags & ENCRYPTED:
                raise BadZip(member.name, "it is encrypted")
            if member.method not in (STORED, DEFLATED):
                raise BadZip(member.name, f"its compression method {member.method} is not deflate")
            try:
                _check(file.fileno(), member)
            except zlib.error as error:
                raise BadZip(member.name, f"its data are damaged ({error})") from error


def _check(descriptor: int, member: JarMember) -> None:
    crc = size = 0
    for block in _content(descriptor, member):
        crc = zlib.crc32(block, crc)
        size += len(block)
        if size > member.size:
            break
    if size != member.size:
        raise BadZip(member.name, f"it does not have the {member.size:,} bytes that are stated")
    if crc != member.crc:
        raise BadZip(member.name, "its CRC is wrong")


def _content(descriptor: int, member: JarMember) -> Iterator[bytes]:
    """The bytes of a file, at most a mebibyte at a time, from a descriptor that stays open: a JAR
    may have a hundred thousand small files.
    """
    local = os.pread(descriptor, LOCAL.size, member.header)
    if len(local) < LOCAL.size or not local.startswith(LOCAL_SIGNATURE):
        raise BadZip(member.name, "it is not where the central directory says")
    name_length, extra_length = LOCAL.unpack(local)[9:11]
    at = member.header + LOCAL.size + name_length + extra_length
    end = at + member.compressed_size
    inflate = None if member.method == STORED else zlib.decompressobj(-zlib.MAX_WBITS)
    while at < end:
        block = os.pread(descriptor, min(_BLOCK, end - at), at)
        if not block:
            raise BadZip(member.name, "it is truncated")
        at += len(block)
        if inflate is None:
            yield block
            continue
        while block:
            yield inflate.decompress(block, _BLOCK)
            block = inflate.unconsumed_tail
    if inflate is not None:
        yield inflate.flush()
        if not inflate.eof:
            raise BadZip(member.name, "its data end early")
