"""ELF files without their debug sections.

Debug information is most of a Python that was compiled locally (18 of 23 MB of a libpython),
holds paths of the machine that compiled it, and no process loads it.
"""

from __future__ import annotations

import struct

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SEGMENT = struct.Struct("<IIQQQQQQ")
_ELF64_LITTLE_ENDIAN = b"\x7fELF\x02\x01"
_NULL, _NOBITS = 0, 8
_ALLOCATED = 2
_SECTION_OFFSET = 0x28


def without_debug(data: bytes) -> bytes:
    """Return ``data`` with every ``.debug_*`` section emptied and the file closed up.

    Section numbers stay as they are, so nothing that refers to them needs a change. Files that
    are not 64-bit little-endian ELF, or carry no debug sections, come back as they are.
    """
    if not data.startswith(_ELF64_LITTLE_ENDIAN):
        return data
    header = _HEADER.unpack_from(data)
    segments_at, sections_at = header[5], header[6]
    segment_count, section_count, names_index = header[10], header[12], header[13]
    if not section_count or sections_at + section_count * _SECTION.size > len(data):
        return data
    loaded_end = _HEADER.size + segment_count * _SEGMENT.size
    for index in range(segment_count):
        segment = _SEGMENT.unpack_from(data, segments_at + index * _SEGMENT.size)
        loaded_end = max(loaded_end, segment[2] + segment[5])
    sections = [
        list(_SECTION.unpack_from(data, sections_at + index * _SECTION.size))
        for index in range(section_count)
    ]
    names_at = sections[names_index][4]

    debug = {
        index
        for index, section in enumerate(sections)
        if section[5]
        and not section[2] & _ALLOCATED
        and section[4] >= loaded_end
        and data.startswith((b".debug_", b".zdebug_", b".gdb_index"), names_at + section[0])
    }
    if not debug:
        return data
    kept = bytearray(data[:loaded_end])
    for index, section in sorted(enumerate(sections), key=lambda item: item[1][4]):
        offset, size, alignment = section[4], section[5], section[8]
        if section[1] in (_NULL, _NOBITS) or offset < loaded_end:
            continue
        _pad(kept, alignment)
        section[4] = len(kept)
        if index in debug:
            section[5] = 0
        else:
            kept += data[offset : offset + size]
    _pad(kept, 8)
    struct.pack_into("<Q", kept, _SECTION_OFFSET, len(kept))
    for section in sections:
        kept += _SECTION.pack(*section)
    return bytes(kept)


def _pad(data: bytearray, alignment: int) -> None:
    data.extend(bytes(-len(data) % max(alignment, 1)))
