"""What a zip says about its members, believed only where both of its accounts agree.

Layout and field names follow APPNOTE.TXT 6.3.10 (sections 4.3 and 4.4). Central directory and
local headers are read directly, since splicing needs to know where each member's bytes start.
"""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path
from typing import NamedTuple

from bundler.archive.entry import Member

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END64 = struct.Struct("<4sQ2H2L4Q")
END64_LOCATOR = struct.Struct("<4sLQL")
LOCAL_SIGNATURE = b"PK\3\4"
CENTRAL_SIGNATURE = b"PK\1\2"
END_SIGNATURE = b"PK\5\6"
END64_SIGNATURE = b"PK\6\6"
END64_LOCATOR_SIGNATURE = b"PK\6\7"
ZIP64_EXTRA = 1
ENCRYPTED, DESCRIPTOR, UTF8 = 0x1, 0x8, 0x800
STORED, DEFLATED = 0, 8
UNIX = 3
MAX16, MAX32 = 0xFFFF, 0xFFFFFFFF

_UNSAFE = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|$)|[\\\0]|^[A-Za-z]:")


class BadZip(Exception):  # noqa: N818 - it is turned into the caller's kind of error
    """A zip is damaged or unsafe: which ``member`` ("" for the whole), and the ``problem``."""

    def __init__(self, member: str, problem: str) -> None:
        self.member = member
        self.problem = problem
        super().__init__(f"{member}: {problem}" if member else problem)


class Listed(NamedTuple):
    """One member of a zip; ``mode`` is 0 if the zip was not made on Unix, ``name`` is safe."""

    name: str
    mode: int
    content: Member

    @property
    def is_folder(self) -> bool:
        """Whether this only names a folder."""
        return self.name.endswith("/")


def is_unsafe(name: str) -> bool:
    """Whether a file name could leave the folder it is unpacked in, or means nothing on Unix."""
    return _UNSAFE.search(name) is not None


def read_directory(path: Path) -> list[Listed]:
    """The members of the zip ``path`` in the order of its central directory, folders included.

    Raises BadZip for a file that is no whole zip, and for members that are encrypted, not stored
    or deflated, unsafely named, listed twice, overlapping, or described differently by their
    local header; OSError if it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        descriptor = file.fileno()
        blob, start, count = central_directory(descriptor, os.fstat(descriptor).st_size)
        return _members(path, descriptor, blob, start, count)


def central_directory(descriptor: int, length: int, limit: int = MAX32) -> tuple[bytes, int, int]:
    """The records of the central directory of an open zip of ``length`` bytes, where they start,
    and how many there are said to be.

    Raises BadZip if there is none, or if it has more than ``limit`` bytes.
    """
    tail_start = max(0, length - END.size - MAX16)
    tail = os.pread(descriptor, length - tail_start, tail_start)
    at = tail.rfind(END_SIGNATURE)
    while at >= 0 and at + END.size + int.from_bytes(tail[at + 20 : at + 22], "little") != len(
        tail
    ):
        at = tail.rfind(END_SIGNATURE, 0, at)
    if at < 0:
        raise BadZip("", "it has no end-of-directory record: it is truncated, or no zip")
    _, disk, first_disk, _, count, size, start, _ = END.unpack_from(tail, at)
    end = tail_start + at
    locator_at = end - END64_LOCATOR.size
    if locator_at >= 0:
        locator = os.pread(descriptor, END64_LOCATOR.size, locator_at)
        if locator.startswith(END64_LOCATOR_SIGNATURE):
            _, disk, end, disks = END64_LOCATOR.unpack(locator)
            record = os.pread(descriptor, END64.size, end)
            if len(record) < END64.size or not record.startswith(END64_SIGNATURE) or disks != 1:
                raise BadZip("", "its zip64 end-of-directory record is damaged")
            _, _, _, _, disk, first_disk, _, count, size, start = END64.unpack(record)
    if disk or first_disk:
        raise BadZip("", "it is one part of a split zip")
    if start + size != end:
        raise BadZip("", "its central directory is not where it should be")
    if size > limit:
        raise BadZip("", f"its central directory is larger than {limit:,} bytes")
    return os.pread(descriptor, size, start), start, count


def _members(path: Path, descriptor: int, blob: bytes, end: int, count: int) -> list[Listed]:
    members: list[Listed] = []
    seen: set[str] = set()
    spans: list[tuple[int, int, str]] = []
    at = 0
    for _ in range(count):
        if at + CENTRAL.size > len(blob) or not blob.startswith(CENTRAL_SIGNATURE, at):
            raise BadZip("", "its central directory is damaged")
        (
            _,
            made_by,
            _,
            flags,
            method,
            _,
            _,
            crc,
            compressed_size,
            size,
            name_length,
            extra_length,
            comment_length,
            _,
            _,
            attributes,
            header,
        ) = CENTRAL.unpack_from(blob, at)
        at += CENTRAL.size
        raw = blob[at : at + name_length]
        at += name_length
        name = _decoded(raw)
        if MAX32 in (size, compressed_size, header):
            size, compressed_size, header = _zip64(
                blob[at : at + extra_length], name, size, compressed_size, header
            )
        at += extra_length + comment_length
        if flags & ENCRYPTED:
            raise BadZip(name, "it is encrypted")
        if method not in (STORED, DEFLATED):
            raise BadZip(name, f"compression method {method} is neither stored nor deflated")
        if is_unsafe(name.removesuffix("/")):
            raise BadZip(name, "its name is not a plain relative path")
        if name in seen:
            raise BadZip(name, "it is there twice")
        seen.add(name)
        data = _data_offset(
            descriptor, header, raw, name, (flags, method, crc, compressed_size, size)
        )
        if data + compressed_size > end:
            raise BadZip(name, "it reaches beyond the end of the file")
        spans.append((header, data + compressed_size, name))
        mode = attributes >> 16 if made_by >> 8 == UNIX else 0
        members.append(Listed(name, mode, Member(path, data, method, crc, compressed_size, size)))
    if at != len(blob):
        raise BadZip("", "its central directory is longer than it says")
    spans.sort()
    previous = 0
    for header, stop, name in spans:
        if header < previous:
            raise BadZip(name, "it overlaps another member")
        previous = stop
    return members


def _decoded(raw: bytes) -> str:
    # Wheels promise UTF-8 names whether or not the flag is set; only zips of old tools do not.
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _zip64(
    extra: bytes, name: str, size: int, compressed_size: int, header: int
) -> tuple[int, int, int]:
    values = [size, compressed_size, header]
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        if kind == ZIP64_EXTRA:
            field = extra[at + 4 : at + 4 + length]
            for index, value in enumerate(values):
                if value == MAX32:
                    if len(field) < 8:
                        raise BadZip(name, "its zip64 field is damaged")
                    values[index] = int.from_bytes(field[:8], "little")
                    field = field[8:]
            break
        at += 4 + length
    return values[0], values[1], values[2]


def _data_offset(
    descriptor: int, header: int, raw: bytes, name: str, listed: tuple[int, int, int, int, int]
) -> int:
    length = LOCAL.size + len(raw)
    local = os.pread(descriptor, length, header)
    if len(local) < length or not local.startswith(LOCAL_SIGNATURE):
        raise BadZip(name, "it is not where the central directory says")
    _, _, flags, method, _, _, crc, compressed, size, name_length, extra_length = LOCAL.unpack_from(
        local
    )
    if local[LOCAL.size :] != raw or name_length != len(raw):
        raise BadZip(name, "its local header has another name")
    agrees = method == listed[1] and (flags ^ listed[0]) & ENCRYPTED == 0
    if agrees and not flags & DESCRIPTOR:
        agrees = (
            crc == listed[2]
            and (compressed == listed[3] or compressed == MAX32)
            and (size == listed[4] or size == MAX32)
        )
    if not agrees:
        raise BadZip(name, "local header and central directory describe it differently")
    return header + length + int(extra_length)
