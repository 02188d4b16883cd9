"""What the binaries among entries ask of the machine that loads them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from bundler.archive.content import blocks
from bundler.archive.entry import Entry, OnDisk
from bundler.elf.info import MAGIC, ElfInfo, named_error, read_elf
from bundler.errors import VerificationError

_IN_MEMORY = 32 << 20


@dataclass(frozen=True, slots=True)
class GlibcNeed:
    """The newest glibc that a set of files needs, one file that needs it, and one symbol of it."""

    version: tuple[int, int] = (0, 0)
    file: str = ""
    symbol: str = ""

    def __str__(self) -> str:
        version = ".".join(map(str, self.version))
        return f"glibc {version} ({self.file}: {self.symbol or 'its loader'})"


def glibc_needed(entries: Iterable[Entry]) -> GlibcNeed:
    """The newest glibc that any of ``entries`` needs; ties go to the first name.

    Raises VerificationError naming the entry that is damaged.
    """
    newest = GlibcNeed()
    for name, info in elf_entries(entries):
        if info.glibc > newest.version:
            newest = GlibcNeed(info.glibc, name, info.symbols[0] if info.symbols else "")
    return newest


def elf_entries(entries: Iterable[Entry]) -> Iterator[tuple[str, ElfInfo]]:
    """The name and demands of each dynamic ELF file among ``entries``, in order of name.

    Raises VerificationError naming the entry that is damaged.
    """
    for entry in sorted(entries, key=lambda entry: entry.name):
        if entry.is_symlink or entry.size < 64:
            continue
        with _opened(entry) as file:
            try:
                info = read_elf(file)
            except VerificationError as error:
                raise named_error(error, entry.name) from error
        if info is not None:
            yield entry.name, info


def _opened(entry: Entry) -> BinaryIO:
    """The bytes of ``entry``, in memory up to `_IN_MEMORY`; empty if they are not ELF."""
    if isinstance(entry.content, OnDisk):
        return entry.content.path.open("rb")
    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - the caller closes it
    stream = blocks(entry.content)
    first = next(stream, b"")
    if first.startswith(MAGIC):
        file.write(first)
        for block in stream:
            file.write(block)
    return cast("BinaryIO", file)
