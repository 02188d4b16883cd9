"""Do the binaries of a wheel keep to the stable ABI that its tag promises?

What belongs to it, and since which CPython, is abi3info's table of CPython's Misc/stable_abi.toml.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from bundler.archive.content import whole
from bundler.errors import VerificationError, missing_extra

if TYPE_CHECKING:
    from bundler.archive.entry import Entry


def stable_abi_faults(
    entries: Sequence[Entry], owner: str, oldest: tuple[int, int]
) -> Iterator[VerificationError]:
    """What the ELF files ``entries`` import that the stable ABI of CPython ``oldest`` has not.

    What another of them defines is theirs, and a weak symbol is not required. ``owner`` is what
    they are part of, for messages.
    """
    stable = _stable_symbols()
    imported: dict[str, list[str]] = {}
    defined: set[str] = set()
    for entry in entries:
        needs, gives = _python_symbols(entry)
        imported[entry.name] = needs
        defined |= gives
    oldest_name = f"{oldest[0]}.{oldest[1]}"
    for name, symbols in imported.items():
        for symbol in symbols:
            if symbol in defined:
                continue
            since = stable.get(symbol)
            place = f"{owner}: {name} imports {symbol}"
            if since is None:
                yield VerificationError(
                    f"{place}, which is not in the stable ABI.",
                    f"The wheel's tag is abi3: every CPython from {oldest_name} on must load it.",
                    "Compile it with Py_LIMITED_API defined for every source file, or build it "
                    "without the stable ABI.",
                )
            elif since > oldest:
                newer = f"{since[0]}.{since[1]}"
                yield VerificationError(
                    f"{place}, which is in the stable ABI only since Python {newer}.",
                    f"The wheel's tag is abi3: every CPython from {oldest_name} on must load it.",
                    f"Set Py_LIMITED_API to 0x{since[0]:02X}{since[1]:02X}0000 and the tag to "
                    f"cp{since[0]}{since[1]}-abi3, or stop using the symbol.",
                )


def _stable_symbols() -> dict[str, tuple[int, int]]:
    try:
        from abi3info import DATAS, FUNCTIONS
    except ImportError as error:
        raise missing_extra("container", "The check of binaries", error) from error
    rows = (*FUNCTIONS.values(), *DATAS.values())
    return {row.symbol.linux: (row.added.major, row.added.minor) for row in rows}


def _python_symbols(entry: Entry) -> tuple[list[str], set[str]]:
    """The symbols of CPython's C API that a file imports and, by their names, those it defines."""
    table = ELFFile(io.BytesIO(whole(entry.content))).get_section_by_name(".dynsym")
    needs: list[str] = []
    gives: set[str] = set()
    if isinstance(table, SymbolTableSection):
        for symbol in table.iter_symbols():
            if not symbol.name.startswith(("Py", "_Py")):
                continue
            if symbol["st_shndx"] != "SHN_UNDEF":
                gives.add(symbol.name)
            elif symbol["st_info"]["bind"] != "STB_WEAK":
                needs.append(symbol.name)
    return needs, gives
