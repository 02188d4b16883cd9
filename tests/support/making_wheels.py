"""Wheels made for tests: small, and sound unless asked otherwise."""

from __future__ import annotations

import base64
import hashlib
import stat
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

Content = str | bytes


def data_of(content: Content) -> bytes:
    return content.encode() if isinstance(content, str) else content


def hash_of(content: Content) -> str:
    digest = hashlib.sha256(data_of(content)).digest()
    return "sha256=" + base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def wheel(
    folder: Path,
    files: Mapping[str, Content],
    name: str = "demo",
    version: str = "1.0",
    *,
    executable: Sequence[str] = (),
    entry_points: str = "",
    method: int = zipfile.ZIP_DEFLATED,
) -> Path:
    """A wheel of ``files`` by member name; a sound RECORD, WHEEL and METADATA are added."""
    info = f"{name}-{version}.dist-info"
    members = dict(files)
    members.setdefault(
        f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    )
    members.setdefault(
        f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    if entry_points:
        members[f"{info}/entry_points.txt"] = entry_points
    rows = [f"{path},{hash_of(data)},{len(data_of(data))}\n" for path, data in members.items()]
    members.setdefault(f"{info}/RECORD", "".join(rows) + f"{info}/RECORD,,\n")
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", method) as archive:
        for member, data in members.items():
            written = zipfile.ZipInfo(member, (2020, 2, 2, 2, 2, 2))
            written.compress_type = method
            mode = 0o755 if member in executable else 0o644
            written.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(written, data_of(data))
    return path


def patched(path: Path, old: bytes, new: bytes, count: int = -1) -> Path:
    """The file with some of its bytes replaced by as many others."""
    data = path.read_bytes()
    assert old in data
    assert len(old) == len(new)
    path.write_bytes(data.replace(old, new, count))
    return path


def shared_library() -> bytes:
    """A 64-bit ELF of type DYN with one loaded segment, a symbol table and debug information.

    It holds nothing to run: for tests of what is kept and where.
    """
    names = b"\0.text\0.symtab\0.strtab\0.shstrtab\0.debug_info\0.comment\0"
    loaded = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1,
                         64, 7, 4)  # fmt: skip
    text = b"TEXT" * 64
    loaded += struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, 120 + len(text), 120 + len(text), 4096) + text
    parts = [b"SYMB" * 600, b"NAME" * 600, names, b"DEBG" * 600, b"COMMENT!"]
    rows = [(0,) * 10, (1, 1, 2, 120, 120, len(text), 0, 0, 4, 0)]
    data = bytearray(loaded)
    kinds = [(7, 2, 3), (15, 3, 0), (23, 3, 0), (33, 1, 0), (45, 1, 0)]
    for (name, kind, link), part in zip(kinds, parts, strict=True):
        data += bytes(-len(data) % 8)
        rows.append((name, kind, 0, 0, len(data), len(part), link, 0, 8, 0))
        data += part
    data += bytes(-len(data) % 8)
    struct.pack_into("<Q", data, 0x28, len(data))
    for row in rows:
        data += struct.pack("<IIQQQQIIQQ", *row)
    return bytes(data)
