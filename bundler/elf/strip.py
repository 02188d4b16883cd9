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
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
_EXECUTABLE, _SHARED = 2, 3
_NULL, _SYMTAB, _RELA, _NOBITS, _REL = 0, 2, 4, 8, 9
_ALLOCATED = 2
_DEBUG = (b".debug_", b".zdebug_", b".gdb_index", b".gnu_debuglink", b".gnu_debugaltlink")
_SECTION_OFFSET = 0x28
_CHUNK = 1 << 20
_PAGE = 1 << 16
"""The largest page of any architecture: no section that is not loaded asks for more alignment."""


def strip(source: Path, out: Path, *, symbols: bool) -> bool:
    """Write ``source`` without debug sections, and without ``symbols`` if so, to ``out``.

    Section numbers and everything that is loaded stay where they are. False, and nothing
    written, if ``source`` is not a 64-bit little-endian library or executable or has nothing to
    lose.
    """
    with source.open("rb", buffering=0) as file:
        plan = _plan(file.fileno(), symbols=symbols)
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
class _Plan:
    """The file to write: literal bytes or (offset, length) of the source, then patches."""

    pieces: list[bytes | tuple[int, int]]
    patches: list[tuple[int, bytes]]


def _plan(descriptor: int, *, symbols: bool) -> _Plan | None:
    length = os.fstat(descriptor).st_size
    start = os.pread(descriptor, _HEADER.size, 0)
    if len(start) < _HEADER.size or not start.startswith(_ELF64_LITTLE_ENDIAN):
        return None
    header = _HEADER.unpack(start)
    kind, segments_at, sections_at = header[1], header[5], header[6]
    segment_count, section_count, names_index = header[10], header[12], header[13]
    if max(segments_at, sections_at) > length:
        return None
    segment_table = os.pread(descriptor, segment_count * _SEGMENT.size, segments_at)
    section_table = os.pread(descriptor, section_count * _SECTION.size, sections_at)
    if (
        kind not in (_EXECUTABLE, _SHARED)
        or names_index >= section_count
        or len(section_table) != section_count * _SECTION.size
        or len(segment_table) != segment_count * _SEGMENT.size
    ):
        return None
    sections = [list(fields) for fields in _SECTION.iter_unpack(section_table)]
    loaded = [(fields[2], fields[2] + fields[5]) for fields in _SEGMENT.iter_unpack(segment_table)]
    inside = [
        (section[4], section[4] + section[5]) for section in sections if section[1] != _NOBITS
    ]
    if any(stop > length for _, stop in (*loaded, *inside)):
        return None
    names = os.pread(descriptor, sections[names_index][5], sections[names_index][4])
    debug = {i for i, section in enumerate(sections) if names.startswith(_DEBUG, section[0])}
    dropped = _dropped(sections, debug, names_index, loaded, symbols=symbols)
    if not dropped:
        return None

    end = max([segments_at + len(segment_table), *(stop for _, stop in loaded)])
    pieces: list[bytes | tuple[int, int]] = [(0, end)]
    patches: list[tuple[int, bytes]] = []
    position = end
    for index in sorted(range(section_count), key=lambda index: int(sections[index][4])):
        section = sections[index]
        offset, size, alignment = section[4], section[5], section[8]
        if index in dropped:
            if offset < end:
                patches.append((offset, bytes(min(size, end - offset))))
            # patchelf, which may come next, wants sections that have a symbol to keep their names.
            sections[index] = (
                [*section[:4], position, 0, *section[6:]] if index in debug else [0] * len(section)
            )
        elif section[1] not in (_NULL, _NOBITS) and offset >= end:
            if alignment > _PAGE:
                return None
            padding = -position % max(alignment, 1)
            pieces += [bytes(padding), (offset, size)]
            section[4] = position + padding
            position += padding + size
    padding = -position % 8
    table = b"".join(_SECTION.pack(*section) for section in sections)
    if position + padding + len(table) >= length and not patches:
        return None
    pieces += [bytes(padding), table]
    patches.append((_SECTION_OFFSET, struct.pack("<Q", position + padding)))
    return _Plan(pieces, patches)


def _dropped(
    sections: list[list[int]],
    debug: set[int],
    names_index: int,
    loaded: list[tuple[int, int]],
    *,
    symbols: bool,
) -> set[int]:
    dropped = set(debug)
    for index, section in enumerate(sections):
        if symbols and section[1] == _SYMTAB:
            dropped.add(index)
            if section[6] != names_index:
                dropped.add(section[6])
    for index, section in enumerate(sections):
        if index not in dropped and section[6] in dropped and section[6]:
            if section[1] not in (_RELA, _REL) or section[2] & _ALLOCATED:
                return set()
            dropped.add(index)
    return {
        index
        for index in dropped
        if index < len(sections)
        and sections[index][5]
        and sections[index][1] != _NOBITS
        and not sections[index][2] & _ALLOCATED
        and not any(
            sections[index][4] < stop and begin < sections[index][4] + sections[index][5]
            for begin, stop in loaded
        )
    }


def _chunks(descriptor: int, offset: int, length: int) -> Iterator[bytes]:
    end = offset + length
    while offset < end:
        chunk = os.pread(descriptor, min(_CHUNK, end - offset), offset)
        if not chunk:
            return
        yield chunk
        offset += len(chunk)
