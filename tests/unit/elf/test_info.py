from __future__ import annotations

import os
import platform
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bundler.archive.entry import Entry, Inline, OnDisk
from bundler.archive.glibc import GlibcNeed, elf_entries, glibc_needed
from bundler.archive.read import zip_entries
from bundler.elf.info import read_elf, read_elf_file
from bundler.errors import VerificationError
from tests.fuzz.samples import dynamic_library

INTERPRETER = Path(sys.executable).resolve()


def file_entry(name: str, data: bytes) -> Entry:
    return Entry(name, stat.S_IFREG | 0o644, Inline(data))


def machine_glibc() -> tuple[int, ...]:
    return tuple(int(part) for part in os.confstr("CS_GNU_LIBC_VERSION").split()[1].split("."))  # type: ignore[union-attr]


def test_the_running_interpreter_is_read() -> None:
    info = read_elf_file(INTERPRETER)
    assert info is not None
    assert info.machine == platform.machine()
    assert "libc.so.6" in info.needed
    assert (2, 0) < info.glibc <= machine_glibc()
    assert f"GLIBC_{info.glibc[0]}.{info.glibc[1]}" in info.versions
    assert info.symbols


def test_what_the_compiler_linked_is_what_is_read(cc: str, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int a(void) { return 1; }")
    (tmp_path / "b.c").write_text(
        '#include <stdio.h>\nint a(void);\nint b(void) { return puts("") + a(); }'
    )
    subprocess.run(
        [cc, "-shared", "-fPIC", "-Wl,-soname,liba.so.7", "-o", "liba.so", "a.c"],
        cwd=tmp_path,
        check=True,
    )
    subprocess.run(
        [cc, "-shared", "-fPIC", "-o", "b.so", "b.c", "-L.", "-la", "-Wl,--enable-new-dtags",
         "-Wl,-rpath,$ORIGIN/x:/opt/y"],
        cwd=tmp_path,
        check=True,
    )  # fmt: skip
    library, user = read_elf_file(tmp_path / "liba.so"), read_elf_file(tmp_path / "b.so")
    assert library is not None and user is not None
    assert library.soname == "liba.so.7"
    assert library.runpath == ()
    assert "liba.so.7" in user.needed
    assert user.runpath == ("$ORIGIN/x", "/opt/y")
    assert "puts" in user.symbols
    assert library.glibc <= user.glibc


def test_cxx_versions_are_read(cc: str, tmp_path: Path) -> None:
    (tmp_path / "c.cc").write_text("#include <iostream>\nint main() { std::cout << 1; }")
    compiled = subprocess.run(
        ["g++", "-o", "c", "c.cc"], cwd=tmp_path, check=False, capture_output=True
    )
    if compiled.returncode:
        pytest.skip("no C++ compiler")
    info = read_elf_file(tmp_path / "c")
    assert info is not None
    assert any(version.startswith("GLIBCXX_3.4") for version in info.versions)


@pytest.mark.parametrize("data", [b"", b"\x7f", b"import os\n", b"#!/bin/sh\n" + b"\0" * 100])
def test_other_files_are_none(data: bytes) -> None:
    assert read_elf(data) is None


def test_a_relocatable_object_asks_nothing(cc: str, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int a(void) { return 1; }")
    subprocess.run([cc, "-c", "a.c"], cwd=tmp_path, check=True)
    assert read_elf_file(tmp_path / "a.o") is None


@pytest.mark.parametrize("size", [5, 63, 200, 4000])
def test_damaged_files_are_named(size: int, tmp_path: Path) -> None:
    (tmp_path / "half.so").write_bytes(INTERPRETER.read_bytes()[:size])
    with pytest.raises(VerificationError, match=r"half\.so: An ELF file is damaged"):
        read_elf_file(tmp_path / "half.so")
    with pytest.raises(VerificationError, match=r"lib/half\.so: An ELF file is damaged"):
        glibc_needed([file_entry("lib/half.so", (tmp_path / "half.so").read_bytes() + b"\0" * 64)])


def test_entries_on_disk_in_memory_and_in_zips_read_the_same(tmp_path: Path) -> None:
    data = INTERPRETER.read_bytes()
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("deflated", data, zipfile.ZIP_DEFLATED)
        archive.writestr("stored", data, zipfile.ZIP_STORED)
        archive.writestr("text", "import os\n" * 100, zipfile.ZIP_DEFLATED)
    entries = [
        *zip_entries(tmp_path / "x.zip"),
        Entry("disk", stat.S_IFREG | 0o755, OnDisk(INTERPRETER, len(data))),
        file_entry("memory", data),
        Entry("link", stat.S_IFLNK | 0o755, Inline(b"disk")),
    ]
    found = dict(elf_entries(entries))
    assert sorted(found) == ["deflated", "disk", "memory", "stored"]
    assert set(found.values()) == {read_elf(data)}


def test_the_newest_need_is_named_with_its_file_and_symbol() -> None:
    data = INTERPRETER.read_bytes()
    need = glibc_needed([file_entry("b", data), file_entry("a", data), file_entry("c.py", b"1")])
    info = read_elf(data)
    assert info is not None
    assert need == GlibcNeed(info.glibc, "a", info.symbols[0])
    assert str(need) == f"glibc {info.glibc[0]}.{info.glibc[1]} (a: {info.symbols[0]})"
    assert glibc_needed([]) == GlibcNeed()


def test_a_table_of_versions_without_an_end_is_damage() -> None:
    # The one library is listed as often as the section says, which pyelftools believes.
    data = bytearray(dynamic_library())
    section = data.index(struct.pack("<II", 18, 0x6FFFFFFE))
    struct.pack_into("<I", data, section + 44, 0xFFFFFFFF)
    with pytest.raises(VerificationError, match="more than 1,024 rows"):
        read_elf(bytes(data))
