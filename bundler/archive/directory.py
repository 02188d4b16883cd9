"""What a zip says about its members, believed only where both of its accounts agree.

Central directory and local headers are read directly, since splicing needs to know where each
member's bytes start.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from bundler.archive.entry import Member
from bundler.archive.names import name_problem, shown
from bundler.archive.zipformat import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    DESCRIPTOR,
    DESCRIPTOR_SIGNATURE,
    ENCRYPTED,
    END,
    END64,
    END64_LOCATOR,
    END64_LOCATOR_SIGNATURE,
    END64_SIGNATURE,
    END_SIGNATURE,
    LOCAL,
    LOCAL_SIGNATURE,
    MAX16,
    MAX32,
    STORED,
    UNICODE_EXTRA,
    UNIX,
    ZIP64_EXTRA,
)
from bundler.support.files import open_regular

# `CENTRAL` without signature, versions, times, disks and internal attributes.
_USED_OF_CENTRAL = struct.Struct("<4xH2x2H4x3L3H4x2L")
# Each member takes some 600 bytes of memory.
_MAX_MEMBERS = 500_000
_MAX_DIRECTORY = 64 << 20


class BadZip(Exception):  # noqa: N818 - it is turned into the caller's kind of error
    """A zip is damaged or unsafe: which ``member`` ("" for the whole), and the ``problem``.

    ``member`` is fit to be shown: escaped, and cut where it is long.
    """

    def __init__(self, member: str, problem: str) -> None:
        self.member = shown(member)
        self.problem = problem
        super().__init__(f"{self.member}: {problem}" if member else problem)


class Listed(NamedTuple):
    """One member of a zip; ``mode`` is 0 if the zip was not made on Unix, ``name`` is safe."""

    name: str
    mode: int
    content: Member

    @property
    def is_folder(self) -> bool:
        """Whether this only names a folder."""
        return self.name.endswith("/")


class _Row(NamedTuple):
    """One row of the central directory (APPNOTE 4.3.12); sizes and offsets in bytes.

    ``raw`` are the bytes of ``name``, ``header`` is where the local header starts.
    """

    name: str
    raw: bytes
    made_by: int
    flags: int
    method: int
    crc: int
    compressed_size: int
    size: int
    attributes: int
    header: int


def read_directory(path: Path) -> list[Listed]:
    """The members of the zip ``path`` in the order of its central directory, folders included.

    Raises BadZip for an incomplete zip, and for members that are encrypted, not stored
    or deflated, unsafely named, listed twice, overlapping, or described differently by their
    local header, and for bytes between them; UsageError for what is not a regular file or does
    not exist, OSError if it cannot be read.
    """
    with open_regular(path, "a zip archive") as file:
        descriptor = file.fileno()
        blob, start, count = central_directory(descriptor, os.fstat(descriptor).st_size)
        if count > _MAX_MEMBERS:
            raise BadZip("", f"it has more than {_MAX_MEMBERS:,} members, the most that are read")
        return _members(path, descriptor, _rows(blob, count), start)


def central_directory(
    descriptor: int, length: int, limit: int = _MAX_DIRECTORY
) -> tuple[bytes, int, int]:
    """The bytes of the central directory of an open zip of ``length`` bytes, where they start, and
    the number of rows there are said to be.

    Raises BadZip if there is none, or if it has more than ``limit`` bytes.
    """
    tail_start = max(0, length - END.size - MAX16)
    tail = os.pread(descriptor, length - tail_start, tail_start)
    at = _end_record(tail)
    _, disk, first_disk, _, count, size, start, _ = END.unpack_from(tail, at)
    end = tail_start + at
    if end >= END64_LOCATOR.size:
        locator = os.pread(descriptor, END64_LOCATOR.size, end - END64_LOCATOR.size)
        if locator.startswith(END64_LOCATOR_SIGNATURE):
            _, disk, end64, disks = END64_LOCATOR.unpack(locator)
            # The offset has 64 bits, and may be anything.
            record = os.pread(descriptor, END64.size, end64) if end64 < end else b""
            if len(record) < END64.size or not record.startswith(END64_SIGNATURE) or disks != 1:
                raise BadZip("", "its zip64 end-of-directory record is damaged")
            _, length64, _, _, disk, first_disk, _, count, size, start = END64.unpack(record)
            if length64 != END64.size - 12 or end64 + END64.size + END64_LOCATOR.size != end:
                raise BadZip("", "its zip64 end-of-directory record is not where it should be")
            end = end64
    if disk or first_disk:
        raise BadZip("", "it is one part of a split zip")
    if start + size != end:
        raise BadZip("", "its central directory is not where it should be")
    if size > limit:
        raise BadZip("", f"its central directory is larger than {limit:,} bytes")
    return os.pread(descriptor, size, start), start, count


def _end_record(tail: bytes) -> int:
    """Where the end-of-directory record begins in the last bytes of a zip.

    A comment follows it, which may itself hold the signature: the record is the one whose comment
    ends with the file.
    """
    at = tail.rfind(END_SIGNATURE)
    while at >= 0:
        comment = tail[at + END.size - 2 : at + END.size]
        if at + END.size + int.from_bytes(comment, "little") == len(tail):
            return at
        at = tail.rfind(END_SIGNATURE, 0, at)
    raise BadZip("", "it has no end-of-directory record: it is truncated, or not a zip")


def _rows(blob: bytes, count: int) -> Iterator[_Row]:
    at = 0
    for _ in range(count):
        if at + CENTRAL.size > len(blob) or not blob.startswith(CENTRAL_SIGNATURE, at):
            raise BadZip("", "its central directory is damaged")
        made_by, flags, method, crc, compressed_size, size, *lengths, attributes, header = (
            _USED_OF_CENTRAL.unpack_from(blob, at)
        )
        name_length, extra_length, comment_length = lengths
        at += CENTRAL.size
        raw = blob[at : at + name_length]
        at += name_length
        name = _decoded(raw)
        extra = blob[at : at + extra_length]
        if extra:
            _refuse_extra(extra, name)
        if MAX32 in (size, compressed_size, header):
            size, compressed_size, header = _zip64(extra, name, size, compressed_size, header)
        at += extra_length + comment_length
        yield _Row(
            name, raw, made_by, flags, method, crc, compressed_size, size, attributes, header
        )
    if at != len(blob):
        raise BadZip("", "its central directory is longer than it says")


def _members(path: Path, descriptor: int, rows: Iterator[_Row], end: int) -> list[Listed]:
    """The members of ``rows``, whose bytes all lie before ``end``."""
    members: list[Listed] = []
    seen: set[str] = set()
    spans: list[tuple[int, int, _Row]] = []
    for row in rows:
        _refuse_unusable(row)
        if row.name in seen:
            raise BadZip(row.name, "it appears twice")
        seen.add(row.name)
        data = _data_offset(descriptor, row, end)
        if data + row.compressed_size > end:
            raise BadZip(row.name, "it reaches beyond the end of the file")
        spans.append((row.header, data + row.compressed_size, row))
        mode = row.attributes >> 16 if row.made_by >> 8 == UNIX else 0
        content = Member(path, data, row.method, row.crc, row.compressed_size, row.size)
        members.append(Listed(row.name, mode, content))
    _refuse_strays(descriptor, spans, end)
    return members


def _refuse_unusable(row: _Row) -> None:
    if row.flags & ENCRYPTED:
        raise BadZip(row.name, "it is encrypted")
    if row.method not in (STORED, DEFLATED):
        raise BadZip(row.name, f"compression method {row.method} is neither stored nor deflated")
    if row.method == STORED and row.size != row.compressed_size:
        raise BadZip(row.name, "it is stored, and has two sizes")
    name = row.name
    if problem := name_problem(name[:-1] if name.endswith("/") else name):
        raise BadZip(row.name, f"its name {problem}")


def _refuse_strays(descriptor: int, spans: list[tuple[int, int, _Row]], end: int) -> None:
    """Refuse members that share bytes, and bytes before ``end`` that belong to none.

    By sharing, a small zip could hold any number of large files. In between could lie a member that
    only those see who read a zip from its start, as installers do that do not wait for its end.
    """
    at, before = 0, None
    for header, stop, row in sorted(spans, key=itemgetter(0)):
        if header < at:
            raise BadZip(row.name, "it overlaps another member")
        _refuse_gap(descriptor, at, header, before)
        at, before = stop, row
    _refuse_gap(descriptor, at, end, before)


def _refuse_gap(descriptor: int, at: int, end: int, before: _Row | None) -> None:
    if before is not None and before.flags & DESCRIPTOR:
        numbers = (before.crc, before.compressed_size, before.size)
        long = struct.pack("<L2Q", *numbers)
        short = struct.pack("<3L", *numbers) if max(numbers) <= MAX32 else long
        found = os.pread(descriptor, min(end - at, 64), at)
        if found.removeprefix(DESCRIPTOR_SIGNATURE) not in (short, long):
            raise BadZip(before.name, "its data descriptor describes it differently")
    elif at != end:
        raise BadZip("", "it has bytes that belong to no member")


def _refuse_extra(extra: bytes, name: str) -> None:
    """Refuse extra fields that are cut, and one that gives the member another name."""
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, at)
        field = extra[at + 4 : at + 4 + length]
        if len(field) < length:
            raise BadZip(name, "its extra field is damaged")
        # A version and a CRC come before the name.
        if kind == UNICODE_EXTRA and field[5:] != name.encode():
            raise BadZip(name, "its extra field gives it another name")
        at += 4 + length


def _decoded(raw: bytes) -> str:
    """A name; wheels and archives promise UTF-8, whether or not the flag for it is set."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise BadZip(raw.decode("cp437"), "its name is not UTF-8") from error


def _zip64(
    extra: bytes, name: str, size: int, compressed_size: int, header: int
) -> tuple[int, int, int]:
    """The three numbers, those that are MAX32 read from the zip64 field, which has only those."""
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


def _data_offset(descriptor: int, row: _Row, end: int) -> int:
    """Where the bytes of a member start, once its local header was seen to agree with ``row``."""
    length = LOCAL.size + len(row.raw)
    # The offset has up to 64 bits, and may be anything.
    local = os.pread(descriptor, length, row.header) if row.header < end else b""
    if len(local) < length or not local.startswith(LOCAL_SIGNATURE):
        raise BadZip(row.name, "it is not where the central directory says")
    _, _, flags, method, _, _, crc, compressed, size, name_length, extra_length = LOCAL.unpack_from(
        local
    )
    if local[LOCAL.size :] != row.raw or name_length != len(row.raw):
        raise BadZip(row.name, "its local header has another name")
    agrees = method == row.method and (flags ^ row.flags) & (ENCRYPTED | DESCRIPTOR) == 0
    # With a descriptor the numbers come after the data; with zip64 they are in the local field.
    if agrees and not flags & DESCRIPTOR:
        agrees = (
            crc == row.crc
            and (compressed == row.compressed_size or compressed == MAX32)
            and (size == row.size or size == MAX32)
        )
    if not agrees:
        raise BadZip(row.name, "local header and central directory describe it differently")
    if extra_length:
        _refuse_extra(os.pread(descriptor, extra_length, row.header + length), row.name)
    return row.header + length + int(extra_length)
