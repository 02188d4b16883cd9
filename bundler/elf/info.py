"""What a shared library or executable asks of the machine that loads it (gABI, and LSB 10.7).

Only the dynamic section and the version requirements are read, so a whole Python prefix takes a
fraction of a second. pyelftools, which takes 0.1 s to import, is imported when a file is read: a
base that comes from the cache needs none of it.
"""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bundler.errors import VerificationError

if TYPE_CHECKING:
    from elftools.elf.elffile import ELFFile

MAGIC = b"\x7fELF"

_MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64", "EM_386": "i686"}
# Packed relative relocations: a library that has them is refused by any older loader.
_NAMED_VERSIONS = {"GLIBC_ABI_DT_RELR": (2, 36)}
_HIDDEN = 0x8000
# The names under which pyelftools gives the text of a dynamic tag.
_TEXT_TAGS = {
    "DT_NEEDED": "needed",
    "DT_RUNPATH": "runpath",
    "DT_RPATH": "rpath",
    "DT_SONAME": "soname",
}


@dataclass(frozen=True, slots=True)
class ElfInfo:
    """The demands of one ELF file.

    ``machine`` is the architecture ("x86_64", "aarch64"; else the constant of elf.h), ``needed``
    the DT_NEEDED names, ``runpath`` the DT_RUNPATH or DT_RPATH folders, ``soname`` the DT_SONAME.
    ``glibc`` and ``glibcxx`` are the newest GLIBC_x.y and GLIBCXX_x.y.z required (zeros if none),
    ``symbols`` what is imported at that glibc version, ``versions`` every version required.
    """

    machine: str
    needed: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    soname: str = ""
    glibc: tuple[int, int] = (0, 0)
    glibcxx: tuple[int, int, int] = (0, 0, 0)
    symbols: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()


def read_elf(source: bytes | BinaryIO) -> ElfInfo | None:
    """Read one file; None if it is not ELF, or is relocatable or static and so asks nothing.

    Raises VerificationError if the bytes start as ELF and do not go on as one.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    file.seek(0)
    if file.read(4) != MAGIC:
        return None
    from elftools.common.exceptions import ELFError
    from elftools.construct.core import ConstructError
    from elftools.elf.elffile import ELFFile

    file.seek(0)
    try:
        return _read(ELFFile(file))
    except (ELFError, ConstructError, struct.error, ValueError, OverflowError) as error:
        raise VerificationError(
            f"An ELF file is damaged: {error}.",
            "Expected a whole shared library or executable.",
            "Fetch or build the package that holds it again.",
        ) from error


def read_elf_file(path: Path) -> ElfInfo | None:
    """`read_elf` of a file on disk; its error names the file."""
    with path.open("rb") as file:
        try:
            return read_elf(file)
        except VerificationError as error:
            raise named_error(error, str(path)) from error


def _read(elf: ELFFile) -> ElfInfo | None:
    from elftools.elf.dynamic import DynamicSection
    from elftools.elf.gnuversions import GNUVerNeedSection

    machine = _MACHINES.get(elf["e_machine"], str(elf["e_machine"]))
    dynamic: DynamicSection | None = None
    required: GNUVerNeedSection | None = None
    for section in elf.iter_sections():
        if isinstance(section, DynamicSection):
            dynamic = section
        elif isinstance(section, GNUVerNeedSection):
            required = section
    if dynamic is None:
        return None
    texts: dict[str, list[str]] = {tag: [] for tag in _TEXT_TAGS}
    for tag in dynamic.iter_tags():
        if attribute := _TEXT_TAGS.get(str(tag.entry.d_tag)):
            texts[str(tag.entry.d_tag)].append(str(getattr(tag, attribute)))
    runpath = texts["DT_RUNPATH"] or texts["DT_RPATH"]
    names: dict[int, str] = {}
    if required is not None:
        for _, versions in required.iter_versions():
            names.update({version["vna_other"]: version.name for version in versions})
    glibc = max((_glibc(name) for name in names.values()), default=(0, 0))
    indices = {index for index, name in names.items() if _glibc(name) == glibc > (0, 0)}
    return ElfInfo(
        machine,
        tuple(texts["DT_NEEDED"]),
        tuple(folder for folder in ":".join(runpath).split(":") if folder),
        "".join(texts["DT_SONAME"]),
        glibc,
        max((_glibcxx(name) for name in names.values()), default=(0, 0, 0)),
        _imports(elf, indices),
        tuple(sorted(set(names.values()))),
    )


def _imports(elf: ELFFile, indices: set[int]) -> tuple[str, ...]:
    from elftools.elf.sections import SymbolTableSection

    versym, symbols = elf.get_section_by_name(".gnu.version"), elf.get_section_by_name(".dynsym")
    if not indices or versym is None or not isinstance(symbols, SymbolTableSection):
        return ()
    raw = versym.data()
    order = "<" if elf.little_endian else ">"
    numbers = struct.unpack(f"{order}{len(raw) // 2}H", raw)
    found = [i for i, number in enumerate(numbers) if number & ~_HIDDEN in indices]
    return tuple(sorted(symbols.get_symbol(i).name for i in found))


def _glibc(version: str) -> tuple[int, int]:
    if match := re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)*", version):
        return int(match[1]), int(match[2])
    return _NAMED_VERSIONS.get(version, (0, 0))


def _glibcxx(version: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"GLIBCXX_(\d+)\.(\d+)(?:\.(\d+))?", version)
    return (int(match[1]), int(match[2]), int(match[3] or 0)) if match else (0, 0, 0)


def named_error(error: VerificationError, name: str) -> VerificationError:
    """``error``, saying which file it is about."""
    return VerificationError(f"{name}: {error.found}", error.expected, error.remedy)
