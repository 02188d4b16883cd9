"""What a stranger's zip can make of little: neither memory nor time nor names without an end."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from bundler.archive.content import whole
from bundler.archive.directory import BadZip, read_directory
from bundler.archive.entry import Entry, Inline, Member, text_entry
from bundler.archive.names import name_problem, shown
from bundler.archive.wheel import target_layout, wheel_entries
from bundler.archive.wheel_rules import check_wheel
from bundler.archive.writer import write_archive
from bundler.archive.zipformat import CENTRAL, CENTRAL_SIGNATURE, END, END_SIGNATURE, LOCAL
from bundler.errors import BuildError, BundlerError, UsageError, VerificationError
from bundler.verify.zips import check_archive, unpack
from tests.support.making_wheels import wheel

INFO = "demo-1.0.dist-info"
MANY = 256 << 20


def bomb(folder: Path, member: str, start: bytes = b"") -> Path:
    """A small wheel in which ``member`` inflates to `MANY` bytes after ``start``."""
    path = wheel(folder, {"demo.py": ""})
    kept = folder / "kept"
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(kept, "w") as archive:
        for name in source.namelist():
            if name != member:
                archive.writestr(name, source.read(name), zipfile.ZIP_DEFLATED)
        info = zipfile.ZipInfo(member)
        info.external_attr = 0o100644 << 16
        info.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(info, "w") as file:
            file.write(start)
            for _ in range(MANY >> 20):
                file.write(b" " * (1 << 20))
    kept.replace(path)
    assert path.stat().st_size < 1 << 20
    return path


READ = """
import resource, sys
from pathlib import Path
from bundler.archive.wheel import target_layout, wheel_entries
from bundler.archive.wheel_rules import check_wheel
from bundler.errors import BundlerError
for use in (check_wheel, lambda path: wheel_entries(path, target_layout())):
    try:
        use(Path(sys.argv[1]))
    except BundlerError as error:
        print(error.found)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.parametrize(
    ("member", "start"),
    [
        (f"{INFO}/RECORD", b""),
        (f"{INFO}/WHEEL", b"Wheel-Version: 1.0\n"),
        (f"{INFO}/METADATA", b"Name: demo\n"),
        (f"{INFO}/entry_points.txt", b"[console_scripts]\n"),
        ("demo-1.0.data/scripts/run", b"#!python\n"),
    ],
)
def test_a_small_wheel_takes_little_memory(tmp_path: Path, member: str, start: bytes) -> None:
    path = bomb(tmp_path, member, start)
    finished = subprocess.run(
        [sys.executable, "-c", READ, path], capture_output=True, text=True, check=True, timeout=300
    )
    *said, peak = finished.stdout.splitlines()
    assert any(f"{member}: it has more than" in line for line in said)
    assert int(peak) << 10 < 150 << 20


def test_entry_points_that_refer_to_each_other_are_not_expanded(tmp_path: Path) -> None:
    lines = [f"a{n} = {f'%(a{n + 1})s' * 100}" for n in range(9)]
    points = "[console_scripts]\n" + "\n".join([*lines, "a9 = x:y"])
    path = wheel(tmp_path, {"demo.py": ""}, entry_points=points)
    with pytest.raises(BuildError, match=r"entry_points\.txt: it has '%\('"):
        wheel_entries(path, target_layout())


def test_many_scripts_together_have_a_bound_too(tmp_path: Path) -> None:
    script = b"#!python\n" + b" " * (15 << 20)
    files = {f"demo-1.0.data/scripts/run{number}": script for number in range(5)}
    path = wheel(tmp_path, {"demo.py": "", **files})
    with pytest.raises(BuildError, match="its scripts have more than 67,108,864 bytes"):
        wheel_entries(path, target_layout())


def test_a_large_program_may_be_a_script(tmp_path: Path) -> None:
    program = os.urandom(1 << 20) * 20
    path = wheel(tmp_path, {"demo.py": "", "demo-1.0.data/scripts/tool": b"\x7fELF" + program})
    (tool,) = (entry for entry in wheel_entries(path, target_layout()) if entry.name == "bin/tool")
    assert isinstance(tool.content, Member)
    assert tool.mode & 0o777 == 0o755


def stream(folder: Path, data: bytes, size: int) -> Member:
    """``data`` deflated, in a file alone, with ``size`` as what is said of it."""
    import zlib

    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = deflate.compress(data) + deflate.flush()
    (folder / "stream").write_bytes(packed)
    return Member(folder / "stream", 0, 8, zlib.crc32(data), len(packed), size)


@pytest.mark.parametrize("size", [10, 100 << 20, (100 << 20) + 1])
def test_data_end_where_the_zip_says(tmp_path: Path, size: int) -> None:
    member = stream(tmp_path, b" " * (100 << 20), size)
    if size == 100 << 20:
        assert len(whole(member)) == size
        return
    path = tmp_path / "made.zip"
    write_archive([Entry("a", 0o100644, member)], path)
    for use in (check_archive, lambda path: unpack(path, tmp_path / "out")):
        with pytest.raises(VerificationError, match=f"a: it does not have the {size:,} bytes"):
            use(path)
    assert not (tmp_path / "out/a").exists() or (tmp_path / "out/a").stat().st_size <= size


def test_what_has_no_room_is_not_unpacked(tmp_path: Path) -> None:
    member = stream(tmp_path, b"", 1 << 60)
    write_archive([Entry("a", 0o100644, member), text_entry("b", "b")], tmp_path / "made.zip")
    with pytest.raises(VerificationError, match="needs 1,152,921,504,606,846,977 bytes unpacked"):
        unpack(tmp_path / "made.zip", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("a" * 256, "has a part of 256 bytes; file systems take 255"),
        ("ä" * 128, "has a part of 256 bytes; file systems take 255"),
        ("/".join(["abcdefg"] * 512), "has 4,095 bytes; workers take 3,583"),
        ("a\nb", "has control characters"),
        ("a\0b", "has control characters"),
        ("\x1b]0;title\x07", "has control characters"),
        ("a\x85b", "has control characters"),
        ("a\udcff", "is not UTF-8"),
        ("./a", "is not a plain relative path"),
        ("a/", "is not a plain relative path"),
    ],
)
def test_names_that_no_worker_can_unpack_are_refused(
    tmp_path: Path, name: str, problem: str
) -> None:
    assert name_problem(name) == problem
    with pytest.raises(BuildError) as caught:
        write_archive([Entry(name, 0o100644, Inline(b""))], tmp_path / "made.zip")
    assert problem in caught.value.found
    assert caught.value.found.isprintable()
    assert len(caught.value.found) < 400
    assert list(tmp_path.iterdir()) == []
    if name.isprintable() and not name.endswith("/"):
        with zipfile.ZipFile(tmp_path / "foreign.zip", "w") as archive:
            archive.writestr(name, b"")
        with pytest.raises(BadZip, match="its name"):
            read_directory(tmp_path / "foreign.zip")


def test_the_longest_names_are_unpacked(tmp_path: Path) -> None:
    names = ["a" * 255, "ä" * 127, "/".join(["abcdefg"] * 400)]
    archive = write_archive([text_entry(name, "x") for name in names], tmp_path / "made.zip")
    unpack(archive.path, tmp_path / "out")
    assert all((tmp_path / "out" / name).read_text() == "x" for name in names)


def test_names_in_messages_are_escaped_and_cut() -> None:
    assert shown("a\x1b[2J\n") == r"a\x1b[2J\n"
    assert shown("größe.txt") == "größe.txt"
    assert len(shown("x" * 5000)) < 150


def crafted(path: Path, *, extra: bytes = b"", header: int = 0, size: int = 1) -> Path:
    """A zip of one stored file "a", whose row in the central directory says what is given."""
    local = LOCAL.pack(b"PK\3\4", 20, 0, 0, 0, 33, 0xE8B7BE43, 1, 1, 1, 0) + b"a" + b"a"
    row = CENTRAL.pack(
        CENTRAL_SIGNATURE, 3 << 8 | 20, 20, 0, 0, 0, 33, 0xE8B7BE43, size, size, 1, len(extra),
        0, 0, 0, 0o100644 << 16, header,
    ) + b"a" + extra  # fmt: skip
    path.write_bytes(local + row + END.pack(END_SIGNATURE, 0, 0, 1, 1, len(row), len(local), 0))
    return path


def test_the_crafted_zip_is_a_sound_one_if_nothing_is_changed(tmp_path: Path) -> None:
    (listed,) = read_directory(crafted(tmp_path / "a.zip"))
    assert whole(listed.content) == b"a"


@pytest.mark.parametrize("number", [1, 40, 1 << 31, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_offsets_and_sizes_of_64_bits_may_be_anything(tmp_path: Path, number: int) -> None:
    wide = struct.pack("<2HQ", 1, 8, number)
    offset = crafted(tmp_path / "offset.zip", extra=wide, header=0xFFFFFFFF)
    sizes = struct.pack("<2H2Q", 1, 16, number, number)
    size = crafted(tmp_path / "size.zip", extra=sizes, size=0xFFFFFFFF)
    for path in (offset, *([size] if number != 1 else [])):
        with pytest.raises(BadZip):
            read_directory(path)
        with pytest.raises(BuildError):
            check_wheel(path)
        with pytest.raises(VerificationError):
            check_archive(path)


@pytest.mark.parametrize("extra", [b"\1", b"\1\0\0\0", b"\1\0\xff\xff1234", b"\1\0\4\0" + b"1234"])
def test_a_damaged_zip64_field_is_refused(tmp_path: Path, extra: bytes) -> None:
    with pytest.raises(BadZip):
        read_directory(crafted(tmp_path / "a.zip", extra=extra, header=0xFFFFFFFF))


@pytest.mark.parametrize("number", [0, 1 << 40, 1 << 63, (1 << 64) - 1])
def test_the_zip64_end_may_be_said_to_be_anywhere(tmp_path: Path, number: int) -> None:
    path = crafted(tmp_path / "a.zip")
    data = path.read_bytes()
    at = data.index(END_SIGNATURE)
    path.write_bytes(data[:at] + struct.pack("<4sLQL", b"PK\6\7", 0, number, 1) + data[at:])
    with pytest.raises(BadZip, match="its zip64 end-of-directory record is damaged"):
        read_directory(path)


def test_more_members_than_any_archive_has_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1 << 40, 1 << 40, 0, 0)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, 0, 1)
    end = END.pack(END_SIGNATURE, 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(record + locator + end)
    with pytest.raises(BadZip, match="more than 500,000 members"):
        read_directory(path)


def test_a_stored_member_has_one_size(tmp_path: Path) -> None:
    sizes = struct.pack("<2HQ", 1, 8, 1)
    path = crafted(tmp_path / "a.zip", extra=sizes, size=0xFFFFFFFF)
    with pytest.raises(BadZip):
        read_directory(path)


def test_pipes_and_devices_are_an_error_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        for use in (check_archive, lambda path: unpack(path, tmp_path / "out"), check_wheel):
            with pytest.raises(UsageError, match="Expected a zip archive"):
                use(path)


def test_a_record_of_an_environment_that_is_damaged_is_one_message() -> None:
    from bundler.slim.rules import slim
    from bundler.verify.imports import top_level_modules

    entry = Entry("a-1.dist-info/RECORD", 0o100644, Inline(b"\xff,,\n"), "a 1")
    with pytest.raises(BundlerError, match=r"a-1\.dist-info/RECORD \(a 1\) cannot be read"):
        top_level_modules([entry])
    gone = text_entry("a/__pycache__/x.pyc", "")
    with pytest.raises(BundlerError, match="it is not UTF-8"):
        slim([entry, gone])
