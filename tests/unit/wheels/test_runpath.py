"""Wheels whose binaries look for libraries on the machine that they were built on."""

from __future__ import annotations

import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bundler.archive.read import zip_entries
from bundler.archive.wheel_rules import check_wheel as check_whole
from bundler.elf.info import read_elf
from bundler.target import Target
from bundler.wheels.fit import wheel_faults
from bundler.wheels.strip_runpath import is_relocatable, remove_foreign_runpaths

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None,
    reason="compiles a small library for Linux: needs gcc",
)

TARGET = Target.parse(python="3.11", platform="manylinux2014_x86_64")
NAME = "demo/_a.cpython-311-x86_64-linux-gnu.so"
FOREIGN = "/opt/_internal/cpython-3.11.9/lib"


def wheel(folder: Path, runpath: str, *flags: str) -> Path:
    source = folder / "a.c"
    source.write_text("int f(void) { return 1; }")
    command = ["gcc", "-shared", "-fPIC", source, "-o", folder / "a.so", *flags]
    subprocess.run([*command, f"-Wl,-rpath,{runpath}"], check=True)
    path = folder / "demo-1.0-cp311-cp311-manylinux2014_x86_64.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {
            NAME: (folder / "a.so").read_bytes(),
            "demo/__init__.py": b"",
            "demo-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nTag: cp311-cp311-linux_x86_64\n",
            "demo-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
            "demo-1.0.dist-info/RECORD": b"demo/__init__.py,,\n",
        }.items():
            archive.writestr(name, data)
    return path


def runpath_of(path: Path) -> tuple[str, ...]:
    info = read_elf(zipfile.ZipFile(path).read(NAME))
    assert info is not None
    return info.runpath


@pytest.mark.parametrize("flag", ["-Wl,--enable-new-dtags", "-Wl,--disable-new-dtags"])
@pytest.mark.parametrize(
    ("runpath", "left"),
    [
        (FOREIGN, ()),
        (f"{FOREIGN}:$ORIGIN/../demo.libs", ("$ORIGIN/../demo.libs",)),
        ("${ORIGIN}:lib:$ORIGINAL", ("${ORIGIN}",)),
    ],
)
def test_folders_of_the_build_machine_are_removed(
    tmp_path: Path, runpath: str, left: tuple[str, ...], flag: str
) -> None:
    path = wheel(tmp_path, runpath, flag)
    assert any("looks for libraries in" in error.found for error in wheel_faults(path, TARGET))
    remove_foreign_runpaths(path)
    assert runpath_of(path) == left
    assert FOREIGN.encode() not in zipfile.ZipFile(path).read(NAME)
    check_whole(path)
    assert list(wheel_faults(path, TARGET)) == []
    assert {entry.name: stat.S_IMODE(entry.mode) for entry in zip_entries(path)}[NAME] == 0o644
    again = path.read_bytes()
    remove_foreign_runpaths(path)
    assert path.read_bytes() == again


def test_a_wheel_without_them_keeps_its_bytes(tmp_path: Path) -> None:
    path = wheel(tmp_path, "$ORIGIN/../demo.libs")
    before = path.read_bytes()
    remove_foreign_runpaths(path)
    assert path.read_bytes() == before


def test_what_is_relative_to_the_file() -> None:
    assert is_relocatable("$ORIGIN")
    assert is_relocatable("${ORIGIN}/../lib")
    for folder in ("/usr/lib", "lib", ".", "$ORIGINAL/x", "$LIB", "/x/$ORIGIN"):
        assert not is_relocatable(folder)
