"""Libraries and executables without what only debuggers and linkers read.

The loader uses program headers and the dynamic symbols alone (gABI chapter 5), so the static
symbol table and debug sections can go. Debug information is most of a Python that was compiled
locally (18 of 23 MB of a libpython), and holds paths of the machine that compiled it. Done on the
bytes rather than with binutils' strip: the result is the same on every machine, any architecture
can be treated on any, and what is loaded keeps its place in the file, which strip does not promise
for libraries that patchelf has changed.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
_EXECUTABLE, _SHARED = 2, 3
_NULL, _SYMTAB, _RELA, _NOBITS, _REL = 0, 2, 4, 8, 9
_ALLOCATED = 2
_DEBUG = (b".debug_", b".zdebug_", b".gdb_index", b".gnu_debuglink", b".gnu_debugaltlink")
_SECTIONS_AT = 0x28
"""Where the ELF header holds the offset of the section table."""
_CHUNK = 1 << 20
_PAGE = 1 << 16
"""The largest page of any architecture: no section that is not loaded asks for more alignment."""


class _Header(NamedTuple):
    """The file's header, Elf64_Ehdr in the gABI; offsets and sizes are in bytes."""

    identification: bytes
    kind: int
    machine: int
    version: int
    entry: int
    segments_at: int
    sections_at: int
    flags: int
    header_size: int
    segment_size: int
    segment_count: int
    section_size: int
    section_count: int
    names_index: int


class _Section(NamedTuple):
    """One row of the section table, Elf64_Shdr: what linkers and debuggers see of the file."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int

    @property
    def end(self) -> int:
        return self.offset + self.size


class _Segment(NamedTuple):
    """One row of the program headers, Elf64_Phdr: what the loader maps."""

    kind: int
    flags: int
    offset: int
    address: int
    physical: int
    size: int
    memory_size: int
    alignment: int

    @property
    def end(self) -> int:
        return self.offset + self.size


def strip(source: Path, out: Path, *, symbols: bool) -> bool:
    """Write ``source`` without debug sections, and without ``symbols`` if so, to ``out``.

    Section numbers and everything that is loaded stay where they are. False, and nothing
    written, if ``source`` is not a 64-bit little-endian library or executable or has nothing to
    lose.
    """
    with source.open("rb", buffering=0) as file:
        elf = _read(file.fileno())
        plan = _plan(elf, symbols=symbols) if elf is not None else None
        if plan is None:
            return False
        with out.open("wb") as result:
            for piece in plan.pieces:
                if isinstance(piece, bytes):
                    result.write(piece)
                else:
                    for chunk in _chunks(file.fileno(), *piece):
                        result.write(chunk)
            for offset, data in plan.patches:
                result.seek(offset)
                result.write(data)
    return True


@dataclass(frozen=True, slots=True)
class _Elf:
    """What is known of a file before it is changed; ``names`` are the section names' bytes."""

    length: int
    header: _Header
    segments: Sequence[_Segment]
    sections: Sequence[_Section]
    names: bytes

    @property
    def loaded_end(self) -> int:
        """Where the last byte ends that the loader may read, the program headers included."""
        table = self.header.segments_at + len(self.segments) * _SEGMENT.size
        return max([table, *(segment.end for segment in self.segments)])

    def is_loaded(self, section: _Section) -> bool:
        """Whether some byte of the section is also part of a segment."""
        return any(
            section.offset < segment.end and segment.offset < section.end
            for segment in self.segments
        )


@dataclass(frozen=True, slots=True)
class _Plan:
    """The file to write: literal bytes or (offset, length) of the source, then patches."""

    pieces: list[bytes | tuple[int, int]]
    patches: list[tuple[int, bytes]]


def _read(descriptor: int) -> _Elf | None:
    """Headers and section names; None if they do not describe a file that can be stripped."""
    length = os.fstat(descriptor).st_size
    start = os.pread(descriptor, _HEADER.size, 0)
    if len(start) < _HEADER.size or not start.startswith(_ELF64_LITTLE_ENDIAN):
        return None
    header = _Header._make(_HEADER.unpack(start))
    if (
        header.kind not in (_EXECUTABLE, _SHARED)
        or header.names_index >= header.section_count
        or header.section_size != _SECTION.size
        or (header.segment_count and header.segment_size != _SEGMENT.size)
        or max(header.segments_at, header.sections_at) > length
    ):
        return None
    segment_table = os.pread(descriptor, header.segment_count * _SEGMENT.size, header.segments_at)
    section_table = os.pread(descriptor, header.section_count * _SECTION.size, header.sections_at)
    if (
        len(segment_table) != header.segment_count * _SEGMENT.size
        or len(section_table) != header.section_count * _SECTION.size
    ):
        return None
    segments = [_Segment._make(fields) for fields in _SEGMENT.iter_unpack(segment_table)]
    sections = [_Section._make(fields) for fields in _SECTION.iter_unpack(section_table)]
    # Offsets are 64 bits wide and may be anything: what ends inside the file also begins there.
    ends = [segment.end for segment in segments]
    ends += [section.end for section in sections if section.kind != _NOBITS]
    if any(end > length for end in ends):
        return None
    place = sections[header.names_index]
    if place.kind == _NOBITS:
        return None
    return _Elf(length, header, segments, sections, os.pread(descriptor, place.size, place.offset))


def _plan(elf: _Elf, *, symbols: bool) -> _Plan | None:
    """How to write ``elf`` with less; None if there is nothing to lose.

    Up to the end of what is loaded the file stays byte for byte; sections behind that move up,
    one after another, and the section table, rewritten, comes last.
    """
    debug = {
        index
        for index, section in enumerate(elf.sections)
        if elf.names.startswith(_DEBUG, section.name)
    }
    dropped = _dropped(elf, debug, symbols=symbols)
    if not dropped:
        return None
    end = position = elf.loaded_end
    pieces: list[bytes | tuple[int, int]] = [(0, end)]
    patches: list[tuple[int, bytes]] = []
    sections = list(elf.sections)
    # In the order of the file; the table itself keeps its order, since sections and symbols refer
    # to sections by their numbers.
    for index in sorted(range(len(sections)), key=lambda index: sections[index].offset):
        section = sections[index]
        if index in dropped:
            # Bytes of it between segments cannot be cut out without moving what is loaded.
            if section.offset < end:
                patches.append((section.offset, bytes(min(section.size, end - section.offset))))
            # patchelf, which may come next, wants sections that have a symbol to keep their names.
            kept = section._replace(offset=position, size=0)
            sections[index] = kept if index in debug else _Section(*[0] * len(section))
        elif section.kind not in (_NULL, _NOBITS) and section.offset >= end:
            if section.alignment > _PAGE:
                return None
            padding = -position % max(section.alignment, 1)
            pieces += [bytes(padding), (section.offset, section.size)]
            sections[index] = section._replace(offset=position + padding)
            position += padding + section.size
    padding = -position % 8
    table = b"".join(_SECTION.pack(*section) for section in sections)
    if position + padding + len(table) >= elf.length and not patches:
        return None
    pieces += [bytes(padding), table]
    patches.append((_SECTIONS_AT, struct.pack("<Q", position + padding)))
    return _Plan(pieces, patches)


def _dropped(elf: _Elf, debug: set[int], *, symbols: bool) -> set[int]:
    """The numbers of the sections that go; none at all where a section that is loaded needs one."""
    dropped = set(debug)
    for index, section in enumerate(elf.sections):
        if symbols and section.kind == _SYMTAB:
            dropped.add(index)
            # The link of a symbol table is its strings, which may also be the section names.
            if section.link != elf.header.names_index:
                dropped.add(section.link)
    for index, section in enumerate(elf.sections):
        if index not in dropped and section.link in dropped and section.link:
            if section.kind not in (_RELA, _REL) or section.flags & _ALLOCATED:
                return set()
            dropped.add(index)
    return {
        index
        for index in dropped
        if index < len(elf.sections)
        and elf.sections[index].size
        and elf.sections[index].kind != _NOBITS
        and not elf.sections[index].flags & _ALLOCATED
        and not elf.is_loaded(elf.sections[index])
    }


def _chunks(descriptor: int, offset: int, length: int) -> Iterator[bytes]:
    end = offset + length
    while offset < end:
        chunk = os.pread(descriptor, min(_CHUNK, end - offset), offset)
        if not chunk:
            return
        yield chunk
        offset += len(chunk)
