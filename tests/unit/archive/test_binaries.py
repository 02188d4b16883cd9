"""Wheels whose extension modules are for another processor or Python than their names say."""

from __future__ import annotations

import struct
import zipfile
from pathlib import Path

import pytest

from bundler.archive.binaries import check_binaries
from bundler.errors import VerificationError

X86, ARM, UNKNOWN = 62, 183, 9999


def elf(machine: int, order: str = "<") -> bytes:
    kind = 2 if order == ">" else 1
    return b"\x7fELF" + bytes([2, kind]) + b"\0" * 10 + struct.pack(f"{order}2H", 3, machine)


def check(folder: Path, tag: str, files: dict[str, bytes]) -> None:
    path = folder / f"demo-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    check_binaries(path, path.name)


@pytest.mark.parametrize(
    ("tag", "files"),
    [
        ("cp311-cp311-manylinux_2_17_x86_64", {"a.cpython-311-x86_64-linux-gnu.so": elf(X86)}),
        ("cp311-cp311-manylinux2014_aarch64", {"a.cpython-311-aarch64-linux-gnu.so": elf(ARM)}),
        ("cp311-cp311-manylinux2014_s390x", {"a.cpython-311-s390x-linux-gnu.so": elf(22, ">")}),
        ("cp38-abi3-manylinux2014_x86_64", {"a.abi3.so": elf(X86)}),
        ("cp37-cp37m-manylinux2014_x86_64", {"a.cpython-37m-x86_64-linux-gnu.so": elf(X86)}),
        # Several Pythons in one wheel, data for other machines, a script called .so
        (
            "cp311-cp311-manylinux2014_x86_64",
            {
                "a.cpython-310-x86_64-linux-gnu.so": elf(X86),
                "a.cpython-311-x86_64-linux-gnu.so": elf(X86),
                "data/libfoo.so": elf(ARM),
                "b.cpython-311-x86_64-linux-gnu.so": b"INPUT(x)",
                "c.cpython-311-x86_64-linux-gnu.so": elf(UNKNOWN),
            },
        ),
        ("py3-none-any", {"a/attach.cpython-311-x86_64-linux-gnu.so": elf(X86)}),
    ],
)
def test_what_its_name_says(tmp_path: Path, tag: str, files: dict[str, bytes]) -> None:
    check(tmp_path, tag, files)


@pytest.mark.parametrize(
    ("tag", "name", "machine", "found"),
    [
        ("cp311-cp311-manylinux2014_x86_64", "a.cpython-311-x86_64-linux-gnu.so", ARM, "aarch64"),
        ("cp311-cp311-manylinux2014_aarch64", "a.cpython-311-x86_64-linux-gnu.so", X86, "x86_64"),
        ("cp38-abi3-manylinux2014_x86_64", "a/b.abi3.so", ARM, "aarch64"),
        ("cp311-cp311-linux_x86_64", "a.cpython-312-x86_64-linux-gnu.so", X86, "ABI cp312"),
        ("cp313-cp313-linux_x86_64", "a.cpython-313t-x86_64-linux-gnu.so", X86, "ABI cp313t"),
    ],
)
def test_what_its_name_belies(
    tmp_path: Path, tag: str, name: str, machine: int, found: str
) -> None:
    with pytest.raises(VerificationError, match=found):
        check(tmp_path, tag, {name: elf(machine)})
