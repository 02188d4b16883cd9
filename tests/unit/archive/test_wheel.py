from __future__ import annotations

import csv
import io
import shutil
import stat
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bundler.archive.merge import merge
from bundler.archive.wheel import Layout, prefix_layout, target_layout, wheel_entries
from bundler.archive.wheel_rules import check_wheel
from bundler.archive.writer import write_archive
from bundler.errors import BuildError
from bundler.verify.zips import unpack
from tests.support.making_wheels import hash_of, patched, wheel

VENV = prefix_layout("venv", "lib/python3.11/site-packages", "bin/python3.11", "3.11")
SITE = "venv/lib/python3.11/site-packages"


def unpacked(path: Path, layout: Layout, folder: Path) -> Path:
    archive = write_archive(merge([wheel_entries(path, layout)]), folder / "made.zip")
    unpack(archive.path, folder / "unpacked")
    return folder / "unpacked"


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def assert_record_true(site: Path, record: str, root: Path) -> None:
    rows = list(csv.reader(io.StringIO((site / record).read_text())))
    for path, digest, size in rows:
        if path != record:
            data = (site / path).read_bytes()
            assert (digest, size) == (hash_of(data), str(len(data)))
    listed = {(site / row[0]).resolve() for row in rows}
    assert listed == {(root / name).resolve() for name in files_in(root)}


FULL = {
    "demo/__init__.py": "VALUE = 42\n",
    "demo/größe.txt": "größer",
    "demo-1.0.data/purelib/more.py": "A = 1\n",
    "demo-1.0.data/platlib/demo/native.so": b"\x7fELF",
    "demo-1.0.data/headers/demo.h": "int demo;\n",
    "demo-1.0.data/data/share/demo.cfg": "x=1\n",
    "demo-1.0.data/scripts/ask": "#!python\nimport sys\nprint('asked', sys.argv[1:])\n",
    "demo-1.0.data/scripts/tool.sh": "#!/bin/sh\necho tool\n",
}
POINTS = "[console_scripts]\ndemo-run = demo.main:run\n[gui_scripts]\ndemo-gui=demo:x [extra]\n"


def test_every_scheme_of_a_wheel_has_its_place_in_a_venv(tmp_path: Path) -> None:
    path = wheel(tmp_path, FULL, entry_points=POINTS)
    root = unpacked(path, VENV, tmp_path)
    info = f"{SITE}/demo-1.0.dist-info"
    assert files_in(root) == {
        f"{SITE}/demo/__init__.py",
        f"{SITE}/demo/größe.txt",
        f"{SITE}/demo/native.so",
        f"{SITE}/more.py",
        f"{info}/METADATA",
        f"{info}/WHEEL",
        f"{info}/RECORD",
        f"{info}/INSTALLER",
        f"{info}/entry_points.txt",
        "venv/include/python3.11/demo/demo.h",
        "venv/share/demo.cfg",
        "venv/bin/ask",
        "venv/bin/tool.sh",
        "venv/bin/demo-run",
        "venv/bin/demo-gui",
    }
    assert (root / info / "INSTALLER").read_text() == "flink-bundler\n"
    assert_record_true(root / SITE, "demo-1.0.dist-info/RECORD", root)


def test_every_scheme_of_a_wheel_has_its_place_in_deps(tmp_path: Path) -> None:
    root = unpacked(wheel(tmp_path, FULL, entry_points=POINTS), target_layout(), tmp_path)
    assert {"demo/__init__.py", "more.py", "bin/ask", "share/demo.cfg", "include/demo/demo.h"} <= (
        files_in(root)
    )
    assert_record_true(root, "demo-1.0.dist-info/RECORD", root)


def test_modes_follow_the_wheel_and_scripts_can_be_executed(tmp_path: Path) -> None:
    files = {**FULL, "demo/helper.sh": "#!/bin/sh\n"}
    path = wheel(tmp_path, files, executable=["demo/helper.sh"])
    root = unpacked(path, target_layout(), tmp_path)
    modes = {
        name: stat.S_IMODE((root / name).stat().st_mode)
        for name in ("demo/__init__.py", "demo/helper.sh", "bin/ask", "bin/tool.sh")
    }
    assert modes == {
        "demo/__init__.py": 0o644,
        "demo/helper.sh": 0o755,
        "bin/ask": 0o755,
        "bin/tool.sh": 0o755,
    }


def test_scripts_run_from_any_folder_with_the_python_beside_them(tmp_path: Path) -> None:
    files = {
        "demo/__init__.py": "",
        "demo/main.py": "import sys\ndef run():\n    print('ran', sys.argv[1], __file__)\n",
        "demo-1.0.data/scripts/ask": "#!python\nimport sys, demo\nprint(sys.argv[1])\n",
    }
    path = wheel(tmp_path, files, entry_points="[console_scripts]\nrun = demo.main:run\n")
    moved = tmp_path / "a folder"
    shutil.move(unpacked(path, VENV, tmp_path), moved)
    python = moved / "venv/bin/python3.11"
    python.write_text(f'#!/bin/sh\nPYTHONPATH="{moved / SITE}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    link = tmp_path / "link"
    link.symlink_to(moved / "venv/bin/run")
    for script in (moved / "venv/bin/run", link):
        out = subprocess.run([script, "a b"], capture_output=True, text=True, check=True).stdout
        assert out == f"ran a b {moved / SITE / 'demo/main.py'}\n"
    out = subprocess.run(
        [moved / "venv/bin/ask", "x y"], capture_output=True, text=True, check=True
    ).stdout
    assert out == "x y\n"


def test_scripts_of_deps_find_the_packages_beside_them(tmp_path: Path) -> None:
    files = {"demo/__init__.py": "def run():\n    print(__file__)\n"}
    path = wheel(tmp_path, files, entry_points="[console_scripts]\nrun = demo:run\n")
    moved = tmp_path / "moved here"
    shutil.move(unpacked(path, target_layout(), tmp_path), moved)
    out = subprocess.run(
        [moved / "bin/run"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    ).stdout
    assert Path(out.strip()).resolve() == (moved / "demo/__init__.py").resolve()


def test_what_record_does_not_list_is_listed_in_ours(tmp_path: Path) -> None:
    record = "demo.py,,\ndemo-1.0.dist-info/RECORD,,\n"
    path = wheel(tmp_path, {"demo.py": "A = 1\n", "demo-1.0.dist-info/RECORD": record})
    check_wheel(path)
    root = unpacked(path, target_layout(), tmp_path)
    rows = {row[0] for row in csv.reader((root / "demo-1.0.dist-info/RECORD").open())}
    assert "demo-1.0.dist-info/METADATA" in rows


def test_a_sound_wheel_passes(tmp_path: Path) -> None:
    check_wheel(wheel(tmp_path, FULL, entry_points=POINTS))


def with_member(path: Path, name: str, *, mode: int = 0o644, data: bytes = b"x") -> Path:
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (mode if mode > 0o777 else stat.S_IFREG | mode) << 16
        archive.writestr(info, data)
    return path


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "a/../../b", "a\\b", "c:/x", "a//b"])
def test_a_name_that_is_no_plain_relative_path_is_refused(tmp_path: Path, name: str) -> None:
    path = with_member(wheel(tmp_path, {"demo.py": ""}), name)
    for use in (check_wheel, lambda path: wheel_entries(path, VENV)):
        with pytest.raises(BuildError) as caught:
            use(path)
        assert "demo-1.0-py3-none-any.whl" in str(caught.value)
        assert f"{name}: its name is not a plain relative path" in str(caught.value)


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"demo.py": "A = 1\n"})
    with pytest.warns(UserWarning, match="Duplicate name"):
        with_member(path, "demo.py")
    with pytest.raises(BuildError, match=r"demo\.py: it appears twice"):
        check_wheel(path)


@pytest.mark.parametrize("keep", [0, 10, 200, -1, -30])
def test_a_truncated_wheel_is_refused(tmp_path: Path, keep: int) -> None:
    path = wheel(tmp_path, {"demo.py": "A = 1\n" * 100})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BuildError, match="truncated, or not a zip"):
        check_wheel(path)


def test_bytes_with_a_wrong_crc_are_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"demo.py": "VALUE = 1234\n"}, method=zipfile.ZIP_STORED)
    patched(path, b"VALUE = 1234", b"VALUE = 4321")
    with pytest.raises(BuildError, match=r"demo\.py: its CRC is wrong"):
        check_wheel(path)


def test_damaged_deflated_data_are_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"demo.py": "".join(f"V{i} = {i * i}\n" for i in range(500))})
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("demo.py").header_offset + 30 + len("demo.py") + 200
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(BuildError, match=r"demo\.py: its"):
        check_wheel(path)


def test_bytes_that_do_not_have_the_hash_of_record_are_refused(tmp_path: Path) -> None:
    record = f"demo.py,{hash_of('other')},5\ndemo-1.0.dist-info/RECORD,,\n"
    path = wheel(tmp_path, {"demo.py": "mine!", "demo-1.0.dist-info/RECORD": record})
    with pytest.raises(BuildError, match=r"demo\.py: its bytes do not have the hash"):
        check_wheel(path)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "shake_256", "nonsense"])
def test_weak_and_unknown_hashes_are_refused(tmp_path: Path, algorithm: str) -> None:
    record = f"demo.py,{algorithm}=abc,5\ndemo-1.0.dist-info/RECORD,,\n"
    path = wheel(tmp_path, {"demo.py": "mine!", "demo-1.0.dist-info/RECORD": record})
    with pytest.raises(BuildError, match=f"RECORD has its hash as {algorithm}"):
        check_wheel(path)


def test_local_headers_that_tell_another_story_are_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"demo.py": "A = 1\n"})
    patched(path, b"demo.py", b"evil.py", 1)
    with pytest.raises(BuildError, match=r"demo\.py: its local header has another name"):
        wheel_entries(path, VENV)


def test_members_that_overlap_are_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"a.py": "A = 1\n", "b.py": "B = 2\n"}, method=zipfile.ZIP_STORED)
    data = path.read_bytes()
    at = data.index(b"PK\1\2")
    sizes = struct.pack("<LL", 60, 60)
    crafted = bytearray(data[: at + 20] + sizes + data[at + 28 :])
    crafted[18:26] = sizes
    path.write_bytes(crafted)
    with pytest.raises(BuildError, match=r"b\.py: it overlaps another member"):
        check_wheel(path)


def test_encrypted_and_unknown_compression_are_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path / "lzma", {"demo.py": "A"}, method=zipfile.ZIP_LZMA)
    with pytest.raises(BuildError, match="compression method 14"):
        check_wheel(path)
    path = wheel(tmp_path / "locked", {"demo.py": "A"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(BuildError, match="it is encrypted"):
        check_wheel(path)


def test_a_symlink_that_leads_out_is_refused(tmp_path: Path) -> None:
    path = wheel(tmp_path, {"demo.py": ""})
    with_member(path, "demo/link", mode=stat.S_IFLNK | 0o777, data=b"../../etc/passwd")
    for use in (check_wheel, lambda path: wheel_entries(path, VENV)):
        with pytest.raises(BuildError, match="demo/link: it is a symlink that leads out of the"):
            use(path)


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({"demo-1.0.dist-info/WHEEL": "Wheel-Version: 2.0\n"}, "Wheel-Version is not 1.x"),
        ({"other-1.0.dist-info/METADATA": ""}, "must have one .dist-info folder"),
        ({"demo-1.0.dist-info/RECORD": "a,b\n"}, "RECORD: it cannot be read"),
        ({"demo-1.0.data/nowhere/x": ""}, "'nowhere' is not a scheme"),
        ({"demo-1.0.data/purelib/demo.py": "B = 2\n"}, "two of its files go there"),
    ],
)
def test_what_is_no_wheel_is_refused(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    path = wheel(tmp_path, {"demo.py": "A = 1\n", **files})
    with pytest.raises(BuildError, match=problem):
        wheel_entries(path, VENV)


def test_a_wheel_without_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("demo-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    with pytest.raises(BuildError, match=r"it has no demo-1\.0\.dist-info/RECORD"):
        check_wheel(path)


def test_a_temporary_file_is_called_by_the_name_it_will_have(tmp_path: Path) -> None:
    path = tmp_path / "part"
    path.write_bytes(b"nothing")
    with pytest.raises(BuildError, match=r"^final-1\.0\.whl cannot be used"):
        check_wheel(path, "final-1.0.whl")
