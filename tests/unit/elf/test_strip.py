from __future__ import annotations

import ctypes
import io
import os
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from bundler.elf.runpath import find_patchelf
from bundler.elf.strip import strip
from tests.support.making_wheels import shared_library

SOURCE = """
static int twice(int x) { return 2 * x; }
int answer(int x) { return twice(x) + 2; }
int main(void) { return answer(20); }
"""


@pytest.fixture(params=["library", "executable", "executable at a fixed place"])
def binary(cc: str, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    flags = {"library": ["-shared", "-fPIC"], "executable": ["-fPIE", "-pie"]}
    (tmp_path / "a.c").write_text(SOURCE)
    command = [cc, "-g", "-O0", *flags.get(request.param, ["-no-pie"]), "-o", "a.out", "a.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path / "a.out"


def section_sizes(data: bytes) -> dict[str, int]:
    return {
        section.name: section["sh_size"] for section in ELFFile(io.BytesIO(data)).iter_sections()
    }


def symbols(data: bytes) -> list[str]:
    table = ELFFile(io.BytesIO(data)).get_section_by_name(".symtab")
    return [symbol.name for symbol in table.iter_symbols()] if table is not None else []


def assert_works(binary: Path) -> None:
    binary.chmod(0o755)
    if ELFFile(io.BytesIO(binary.read_bytes())).get_section_by_name(".interp") is None:
        assert ctypes.CDLL(str(binary)).answer(20) == 42
    else:
        assert subprocess.run([binary]).returncode == 42


def test_debug_sections_go_and_all_else_stays(binary: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert strip(binary, out, symbols=False)
    before, after = binary.read_bytes(), out.read_bytes()
    sizes = section_sizes(before)
    assert sizes[".debug_info"] > 0
    assert len(after) < len(before)
    assert section_sizes(after) == {
        name: 0 if name.startswith(".debug_") else size for name, size in sizes.items()
    }
    assert symbols(after) == symbols(before)
    assert os.fsencode(binary.parent) not in after
    assert_works(out)


def test_symbols_go_too_if_they_may(binary: Path, tmp_path: Path) -> None:
    out, both = tmp_path / "out", tmp_path / "both"
    assert strip(binary, out, symbols=False)
    assert strip(binary, both, symbols=True)
    assert both.stat().st_size < out.stat().st_size
    assert isinstance(
        ELFFile(io.BytesIO(both.read_bytes())).get_section_by_name(".dynsym"), SymbolTableSection
    )
    assert symbols(both.read_bytes()) == []
    assert_works(both)


@pytest.mark.parametrize("with_symbols", [False, True])
def test_it_is_done_once(binary: Path, tmp_path: Path, with_symbols: bool) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    assert strip(binary, once, symbols=with_symbols)
    assert not strip(once, twice, symbols=with_symbols)
    assert not twice.exists()


def test_patchelf_takes_what_is_left(binary: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    strip(binary, out, symbols=False)
    subprocess.run([find_patchelf(), "--set-rpath", "$ORIGIN/../lib", out], check=True)
    assert_works(out)


@pytest.mark.parametrize("data", [b"", b"import os", b"\x7fELF\x01\x01" + b"\0" * 80])
def test_other_files_stay(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data)
    assert not strip(tmp_path / "file", tmp_path / "out", symbols=False)
    assert not (tmp_path / "out").exists()


def test_a_section_that_asks_for_a_huge_alignment_is_left_alone(tmp_path: Path) -> None:
    library = bytearray(shared_library())
    library[-64 + 48 : -64 + 56] = (1 << 62).to_bytes(8, "little")
    (tmp_path / "file").write_bytes(library)
    assert not strip(tmp_path / "file", tmp_path / "out", symbols=True)
