"""What a shared library or executable asks of the machine that loads it (gABI, and LSB 10.7).

Only the dynamic section and the version requirements are read, so a whole Python prefix takes a
fraction of a second. pyelftools, which takes 0.1 s to import, is imported when a file is read: a
base that comes from the cache needs none of it.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from bundler.errors import VerificationError

if TYPE_CHECKING:
    from elftools.elf.dynamic import DynamicSection
    from elftools.elf.elffile import ELFFile
    from elftools.elf.gnuversions import GNUVerNeedSection
    from elftools.elf.sections import Section

_Item = TypeVar("_Item")

MAGIC = b"\x7fELF"

_MACHINES = {"EM_X86_64": "x86_64", "EM_AARCH64": "aarch64", "EM_386": "i686"}
# Packed relative relocations: a library that has them is refused by any older loader.
_NAMED_VERSIONS = {"GLIBC_ABI_DT_RELR": (2, 36)}
_HIDDEN = 0x8000
_MOST = 65_536
# Of symbol versions, which pyelftools reads slowly: far more than any file needs.
_LIBRARIES, _VERSIONS = 1_024, 8_192
_LONGEST = 16_384
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
    ``glibc`` is the newest GLIBC_x.y required (zeros if none), ``symbols`` what is imported at that
    glibc version, ``versions`` every version required.
    """

    machine: str
    needed: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    soname: str = ""
    glibc: tuple[int, int] = (0, 0)
    symbols: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()


def read_elf(source: bytes | BinaryIO) -> ElfInfo | None:
    """Read one file; None if it is not ELF, or is relocatable or static and so asks nothing.

    Raises VerificationError if the bytes start as ELF and do not go on as one.
    """
    file = io.BytesIO(source) if isinstance(source, bytes) else source
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        return None
    from elftools.elf.elffile import ELFFile

    try:
        length = file.seek(0, io.SEEK_END)
        file.seek(0)
        return _read(ELFFile(file), length)
    except Exception as error:
        # Of a damaged file pyelftools raises nearly anything, KeyError and AssertionError among it.
        said = str(error) if isinstance(error, _Damaged) else f"{type(error).__name__} {error}"
        raise VerificationError(
            f"An ELF file is damaged: {' '.join(said.split())[:200]}.",
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


class _Damaged(ValueError):  # noqa: N818 - it is turned into a VerificationError
    """What a file says of itself is not possible."""


def _read(elf: ELFFile, length: int) -> ElfInfo | None:
    if elf["e_type"] == "ET_REL":
        return None
    dynamic, required = _sections(elf, length)
    if dynamic is None:
        return None
    texts: dict[str, list[str]] = {tag: [] for tag in _TEXT_TAGS}
    for tag in _few(dynamic.iter_tags()):
        if attribute := _TEXT_TAGS.get(str(tag.entry.d_tag)):
            texts[str(tag.entry.d_tag)].append(_name(getattr(tag, attribute)))
    runpath = texts["DT_RUNPATH"] or texts["DT_RPATH"]
    names: dict[int, str] = {}
    libraries = _few(required.iter_versions() if required is not None else (), _LIBRARIES)
    for version in _few((each for _, versions in libraries for each in versions), _VERSIONS):
        names[version["vna_other"]] = _name(version.name)
    glibc = max((_glibc(name) for name in names.values()), default=(0, 0))
    indices = {index for index, name in names.items() if _glibc(name) == glibc > (0, 0)}
    return ElfInfo(
        _MACHINES.get(elf["e_machine"], str(elf["e_machine"])),
        tuple(texts["DT_NEEDED"]),
        tuple(folder for folder in ":".join(runpath).split(":") if folder),
        "".join(texts["DT_SONAME"]),
        glibc,
        _imports(elf, indices, length),
        tuple(sorted(set(names.values()))),
    )


def _sections(elf: ELFFile, length: int) -> tuple[DynamicSection | None, GNUVerNeedSection | None]:
    """The sections with what is needed and in which versions."""
    from elftools.elf.dynamic import DynamicSection
    from elftools.elf.gnuversions import GNUVerNeedSection

    dynamic: DynamicSection | None = None
    required: GNUVerNeedSection | None = None
    for section in _few(elf.iter_sections()):
        _name(section.name)
        if isinstance(section, DynamicSection):
            dynamic = section
        elif isinstance(section, GNUVerNeedSection):
            required = section
    for found in (dynamic, required):
        if found is not None:
            _refuse_outside(found, length)
    return dynamic, required


def _imports(elf: ELFFile, indices: set[int], length: int) -> tuple[str, ...]:
    from elftools.elf.sections import SymbolTableSection

    versym, symbols = elf.get_section_by_name(".gnu.version"), elf.get_section_by_name(".dynsym")
    if not indices or versym is None or not isinstance(symbols, SymbolTableSection):
        return ()
    for section in (versym, symbols):
        _refuse_outside(section, length)
    raw = versym.data()
    order = "<" if elf.little_endian else ">"
    numbers = struct.unpack(f"{order}{len(raw) // 2}H", raw)
    found = [i for i, number in enumerate(numbers) if number & ~_HIDDEN in indices]
    return tuple(sorted(_name(symbols.get_symbol(i).name) for i in _few(found)))


def _refuse_outside(section: Section, length: int) -> None:
    """Raise _Damaged for a section that is not plain bytes of the file, before they are read."""
    if section.compressed or section["sh_offset"] + section["sh_size"] > length:
        raise _Damaged("a section is not in the file")


def _few(found: Iterable[_Item], most: int = _MOST) -> Iterator[_Item]:
    """``found``, and _Damaged once that are more than any real file has.

    Counts and steps of tables are free to be anything: a few bytes can make a table endless.
    """
    for number, item in enumerate(found):
        if number >= most:
            raise _Damaged(f"a table has more than {most:,} rows")
        yield item


def _name(text: str) -> str:
    if len(text) > _LONGEST or not text.isprintable():
        raise _Damaged("a name is too long or has control characters")
    return text


def _glibc(version: str) -> tuple[int, int]:
    if match := re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)*", version):
        return int(match[1]), int(match[2])
    return _NAMED_VERSIONS.get(version, (0, 0))


def named_error(error: VerificationError, name: str) -> VerificationError:
    """``error``, saying which file it is about."""
    return VerificationError(f"{name}: {error.found}", error.expected, error.remedy)
