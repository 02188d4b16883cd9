"""Entries back on disk, for tests that run what is in them."""

from __future__ import annotations

import stat
import subprocess
import zlib
from collections.abc import Iterable
from pathlib import Path

from bundler.archive.entry import Entry, Inline, OnDisk
from bundler.base.model import Base


def contents(entry: Entry) -> bytes:
    """The uncompressed bytes of an entry, checked against its CRC where it has one."""
    content = entry.content
    if isinstance(content, Inline):
        return content.data
    if isinstance(content, OnDisk):
        return content.path.read_bytes()
    with content.archive.open("rb") as file:
        file.seek(content.offset)
        data = file.read(content.compressed_size)
    if content.method:
        data = zlib.decompress(data, -zlib.MAX_WBITS)
    assert zlib.crc32(data) == content.crc
    return data


def unpack(entries: Iterable[Entry], folder: Path) -> None:
    """Write entries below ``folder`` with their modes, symlinks as symlinks."""
    for entry in entries:
        path = folder / entry.name
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.is_symlink:
            path.symlink_to(contents(entry).decode())
        else:
            path.write_bytes(contents(entry))
            path.chmod(stat.S_IMODE(entry.mode))


def run_python(prefix: Path, base: Base, code: str) -> list[str]:
    """Run ``code`` with the Python of ``base``, unpacked at ``prefix``; the lines it prints."""
    finished = subprocess.run(
        [prefix / base.executable, "-I", "-c", code],
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout.splitlines()
