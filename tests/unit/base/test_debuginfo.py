from __future__ import annotations

import ctypes
import io
import subprocess
import sys
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from bundler.base.debuginfo import without_debug

SOURCE = """
static int twice(int x) { return 2 * x; }
int answer(int x) { return twice(x) + 2; }
"""


@pytest.fixture
def library(cc: str, tmp_path: Path) -> Path:
    (tmp_path / "a.c").write_text(SOURCE)
    subprocess.run(
        [cc, "-g", "-O0", "-shared", "-fPIC", "-o", "a.so", "a.c"], cwd=tmp_path, check=True
    )
    return tmp_path / "a.so"


def section_sizes(data: bytes) -> dict[str, int]:
    return {
        section.name: section["sh_size"] for section in ELFFile(io.BytesIO(data)).iter_sections()
    }


def symbols(data: bytes) -> list[str]:
    table = ELFFile(io.BytesIO(data)).get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    return [symbol.name for symbol in table.iter_symbols()]


def test_debug_sections_go_and_all_else_stays(library: Path) -> None:
    before = library.read_bytes()
    after = without_debug(before)
    sizes = section_sizes(before)
    assert sizes[".debug_info"] > 0
    assert len(after) < len(before)
    assert section_sizes(after) == {
        name: 0 if name.startswith(".debug_") else size for name, size in sizes.items()
    }
    assert symbols(after) == symbols(before)
    assert str(library.parent).encode() not in after


def test_the_library_still_works(library: Path) -> None:
    changed = library.with_name("changed.so")
    changed.write_bytes(without_debug(library.read_bytes()))
    assert ctypes.CDLL(str(changed)).answer(20) == 42


def test_it_can_be_repeated(library: Path) -> None:
    once = without_debug(library.read_bytes())
    assert without_debug(once) is once


@pytest.mark.parametrize("data", [b"", b"import os", b"\x7fELF\x01\x01" + b"\0" * 80])
def test_other_files_stay(data: bytes) -> None:
    assert without_debug(data) is data


def test_files_without_debug_sections_stay() -> None:
    data = Path(sys.executable).resolve().read_bytes()
    once = without_debug(data)
    assert without_debug(once) is once
