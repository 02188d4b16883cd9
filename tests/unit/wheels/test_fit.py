"""Wheels read back: real binaries of this machine, put into wheels with various tags."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bundler.errors import VerificationError
from bundler.target import Target
from bundler.wheels.fit import check_wheel, wheel_faults

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("gcc") is None or not shutil.which("g++"),
    reason="compiles small libraries for Linux: needs gcc and g++",
)

OLD = Target.parse(python="3.11", platform="manylinux2014_x86_64")
NEW = Target.parse(python="3.11", platform="manylinux_2_41_x86_64")
ARM = Target.parse(python="3.11", platform="manylinux_2_28_aarch64")
SUFFIX = ".cpython-311-x86_64-linux-gnu.so"


def binary(folder: Path, code: str, *flags: str, compiler: str = "gcc") -> bytes:
    source = folder / ("a.cc" if compiler == "g++" else "a.c")
    source.write_text(code)
    out = folder / "a.so"
    subprocess.run([compiler, "-shared", "-fPIC", source, "-o", out, *flags], check=True)
    return out.read_bytes()


def wheel(
    folder: Path, tag: str = "cp311-cp311-manylinux2014_x86_64", **files: bytes | str
) -> Path:
    path = folder / f"demo-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr("demo-1.0.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
        archive.writestr("demo-1.0.dist-info/METADATA", "Name: demo\nVersion: 1.0\n")
    return path


def test_a_sound_wheel(tmp_path: Path) -> None:
    code = "#include <string.h>\nlong f(char *s) { return strlen(s); }"
    check_wheel(wheel(tmp_path, **{f"demo/_a{SUFFIX}": binary(tmp_path, code)}), OLD)


def test_a_newer_glibc_is_named_with_file_symbol_and_version(tmp_path: Path) -> None:
    # Version 2.34 moved pthread_create into libc, so whatever is compiled since then needs it.
    code = "#include <pthread.h>\nvoid *f(void) { return (void *)&pthread_create; }"
    path = wheel(tmp_path, **{f"demo/_a{SUFFIX}": binary(tmp_path, code)})
    data = subprocess.check_output(["readelf", "-V", tmp_path / "a.so"], text=True)
    if "GLIBC_2.34" not in data:
        pytest.skip("this machine's glibc is older than 2.34")
    with pytest.raises(VerificationError) as caught:
        check_wheel(path, OLD)
    assert caught.value.found == (
        f"{path.name}: demo/_a{SUFFIX} needs GLIBC_2.34, for the symbol pthread_create."
    )
    assert "GLIBC_2.17" in caught.value.expected
    assert list(wheel_faults(path, NEW)) == []


def test_a_newer_libstdcxx_is_named_with_its_symbol(tmp_path: Path) -> None:
    # GLIBCXX_3.4.26 (GCC 9) brought std::filesystem; manylinux2014 promises 3.4.19.
    code = "#include <filesystem>\nbool f(const char *p) { return std::filesystem::exists(p); }"
    data = binary(tmp_path, code, "-std=c++17", compiler="g++")
    path = wheel(tmp_path, **{f"demo/_a{SUFFIX}": data})
    faults = [error.found for error in wheel_faults(path, OLD)]
    assert any("GLIBCXX_3.4.26, for the symbol _ZN" in fault for fault in faults)
    assert list(wheel_faults(path, NEW)) == []


def test_a_library_that_is_nowhere(tmp_path: Path) -> None:
    other = tmp_path / "libother.so"
    other.write_bytes(binary(tmp_path, "int other(void) { return 1; }", "-Wl,-soname,libother.so"))
    data = binary(
        tmp_path, "int other(void); int f(void) { return other(); }", "-L", str(tmp_path), "-lother"
    )
    files = {f"demo/_a{SUFFIX}": data}
    with pytest.raises(VerificationError, match=r"needs libother\.so, which is not in the wheel"):
        check_wheel(wheel(tmp_path, **files), OLD)
    check_wheel(wheel(tmp_path, **files), OLD, repaired=False)
    check_wheel(wheel(tmp_path, **files, **{"demo.libs/libother.so": other.read_bytes()}), OLD)


def test_libpython_must_not_be_linked(tmp_path: Path) -> None:
    fake = tmp_path / "libpython3.11.so"
    fake.write_bytes(
        binary(tmp_path, "int p(void) { return 1; }", "-Wl,-soname,libpython3.11.so.1.0")
    )
    data = binary(tmp_path, "int p(void); int f(void) { return p(); }", str(fake))
    with pytest.raises(VerificationError, match=r"linked against libpython3\.11\.so\.1\.0"):
        check_wheel(wheel(tmp_path, **{f"demo/_a{SUFFIX}": data}), OLD)


def test_another_architecture(tmp_path: Path) -> None:
    data = binary(tmp_path, "int f(void) { return 1; }")
    path = wheel(tmp_path, "cp311-cp311-manylinux_2_28_aarch64", **{f"demo/_a{SUFFIX}": data})
    with pytest.raises(VerificationError, match="is for x86_64"):
        check_wheel(path, ARM)


def test_tags_for_another_target(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match="is not for Flink"):
        check_wheel(wheel(tmp_path, "cp312-cp312-manylinux2014_x86_64"), OLD)


@pytest.mark.parametrize(
    ("tag", "suffix", "abi"),
    [
        ("cp311-cp311", ".cpython-312-x86_64-linux-gnu.so", "cp312"),
        ("cp37-cp37m", ".cpython-38-x86_64-linux-gnu.so", "cp38"),
        ("cp313-cp313", ".cpython-313t-x86_64-linux-gnu.so", "cp313t"),
        ("py3-none", ".abi3.so", "abi3"),
    ],
)
def test_a_file_that_the_wheels_python_does_not_see(
    tmp_path: Path, tag: str, suffix: str, abi: str
) -> None:
    data = binary(tmp_path, "int f(void) { return 1; }")
    path = wheel(tmp_path, f"{tag}-manylinux2014_x86_64", **{f"demo/_a{suffix}": data})
    (fault,) = wheel_faults(path, OLD)
    assert f"is for the Python ABI {abi}." in fault.found


def test_the_stable_abi_in_a_wheel_for_one_python(tmp_path: Path) -> None:
    data = binary(tmp_path, "int f(void) { return 1; }")
    for tag in ("cp38-abi3", "cp311-cp311"):
        check_wheel(
            wheel(tmp_path, f"{tag}-manylinux2014_x86_64", **{"demo/_a.abi3.so": data}), OLD
        )


C_API = (
    "void *PyUnicode_New(long n, unsigned c);"
    "const char *PyUnicode_AsUTF8AndSize(void *o, long *n);"
    "__attribute__((weak)) int PyUnstable_Module_SetGIL(void *m, void *g);"
    "int PyLong_Check_ours(void);"
)


@pytest.mark.parametrize(
    ("tag", "body", "symbol", "reason"),
    [
        ("cp38", "PyUnicode_New(1, 2)", "PyUnicode_New", "which is not in the stable ABI"),
        (
            "cp38",
            "(void *)PyUnicode_AsUTF8AndSize(0, 0)",
            "PyUnicode_AsUTF8AndSize",
            "which is in the stable ABI only since Python 3.10",
        ),
    ],
)
def test_a_symbol_outside_of_the_stable_abi(
    tmp_path: Path, tag: str, body: str, symbol: str, reason: str
) -> None:
    data = binary(tmp_path, f"{C_API} void *f(void) {{ return {body}; }}")
    path = wheel(tmp_path, f"{tag}-abi3-manylinux2014_x86_64", **{"demo/_a.abi3.so": data})
    (fault,) = wheel_faults(path, OLD)
    assert fault.found == f"{path.name}: demo/_a.abi3.so imports {symbol}, {reason}."
    assert "from 3.8 on" in fault.expected


def test_what_keeps_to_the_stable_abi(tmp_path: Path) -> None:
    code = (
        f"{C_API} void *f(void) {{ return PyUnstable_Module_SetGIL ? (void *)PyLong_Check_ours()"
        " : (void *)PyUnicode_AsUTF8AndSize(0, 0); }"
    )
    ours = binary(tmp_path, "int PyLong_Check_ours() { return 1; }")
    files = {"demo/_a.abi3.so": binary(tmp_path, code), "demo.libs/ours.so": ours}
    new = wheel(tmp_path, "cp310-abi3-manylinux2014_x86_64", **files)
    assert list(wheel_faults(new, OLD)) == []
    # Built for one target, it need not keep what its tag promises to older Pythons.
    check_wheel(wheel(tmp_path, "cp38-abi3-manylinux2014_x86_64", **files), OLD)
