"""Folders of the machine that a wheel was built on, taken out of its binaries.

A Python that has its library in a folder of its own makes every extension look there too.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from bundler.archive.content import blocks
from bundler.archive.entry import Entry, Inline
from bundler.archive.glibc import elf_entries
from bundler.archive.read import zip_entries
from bundler.elf.runpath import set_runpath
from bundler.wheels.rewrite import write_wheel


def is_relocatable(folder: str) -> bool:
    """Whether a RUNPATH entry is relative to the file that has it."""
    first = folder.partition("/")[0]
    return first in ("$ORIGIN", "${ORIGIN}")


def remove_foreign_runpaths(wheel: Path) -> None:
    """Rewrite ``wheel``, if need be, so that its binaries look only for what is beside them.

    Raises BuildError if patchelf is missing or fails, VerificationError for damaged ELF files.
    """
    entries = zip_entries(wheel, wheel.name)
    kept = {
        name: tuple(filter(is_relocatable, info.runpath))
        for name, info in elf_entries(entries)
        if not all(map(is_relocatable, info.runpath))
    }
    if not kept:
        return
    info = next(
        entry.name.partition("/")[0] for entry in entries if entry.name.endswith(".dist-info/WHEEL")
    )
    changed = [
        _changed(entry, kept[entry.name]) if entry.name in kept else entry for entry in entries
    ]
    write_wheel(changed, info, wheel)


def _changed(entry: Entry, runpath: tuple[str, ...]) -> Entry:
    with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
        file = Path(scratch, "file")
        with file.open("wb") as copy:
            copy.writelines(blocks(entry.content))
        file.chmod(0o700)
        set_runpath(file, runpath)
        return replace(entry, content=Inline(file.read_bytes()))
