from __future__ import annotations

import hashlib
import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bundler.archive.entry import MANIFEST_NAME, Entry, Inline, Member, OnDisk, text_entry
from bundler.archive.read import tree_entries, zip_entries
from bundler.archive.wheel import target_layout, wheel_entries
from bundler.archive.writer import write_archive
from bundler.errors import BuildError, UsageError
from bundler.verify.zips import check_archive, unpack
from tests.support.making_wheels import wheel

LINK = stat.S_IFLNK | 0o777


def link(name: str, target: str) -> Entry:
    return Entry(name, LINK, Inline(target.encode()))


def on_disk(path: Path, data: bytes) -> OnDisk:
    path.write_bytes(data)
    return OnDisk(path, len(data))


@pytest.fixture
def entries(tmp_path: Path) -> list[Entry]:
    """One entry of every kind of content, and of every size that is treated differently."""
    noise = random.Random(1)
    source = tmp_path / "source"
    source.mkdir()
    text = "".join(f"line {number}\n" for number in range(300_000)).encode()
    return [
        *wheel_entries(wheel(tmp_path, {"demo/ä.py": "A = 1\n" * 50}), target_layout()),
        text_entry("empty", ""),
        text_entry("run.sh", "#!/bin/sh\n", executable=True),
        Entry("small.txt", 0o100644, on_disk(source / "small", b"small" * 100)),
        Entry("noise.bin", 0o100644, on_disk(source / "noise", noise.randbytes(5000))),
        Entry("nothing", 0o100644, on_disk(source / "nothing", b"")),
        Entry("large.txt", 0o100644, on_disk(source / "large", text)),
        Entry("large.bin", 0o100644, on_disk(source / "big", noise.randbytes(3_000_000))),
        link("bin/python", "python3"),
        Entry("bin/python3", 0o100755, Inline(b"the python")),
    ]


def test_what_is_written_is_what_other_tools_read(entries: list[Entry], tmp_path: Path) -> None:
    archive = write_archive(entries, tmp_path / "out.zip", manifest={"b": 1, "a": "ä"})
    data = archive.path.read_bytes()
    assert (archive.size, archive.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert archive.entries == len(entries) + 1
    with zipfile.ZipFile(archive.path) as opened:
        assert opened.testzip() is None
        names = opened.namelist()
        assert names == sorted(names)
        assert opened.read("demo/ä.py") == b"A = 1\n" * 50
        assert opened.read("large.bin") == (tmp_path / "source/big").read_bytes()
        assert opened.read("large.txt") == (tmp_path / "source/large").read_bytes()
        methods = {info.filename: info.compress_type for info in opened.infolist()}
        assert methods["large.txt"] == methods["small.txt"] == zipfile.ZIP_DEFLATED
        assert methods["large.bin"] == methods["noise.bin"] == zipfile.ZIP_STORED
        assert {info.create_system for info in opened.infolist()} == {3}
        assert {info.date_time for info in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert json.loads(opened.read(MANIFEST_NAME)) == {"a": "ä", "b": 1}
    check_archive(archive.path)


@pytest.mark.parametrize("command", [["unzip", "-tq"], ["jar", "tf"]])
def test_other_programs_read_it(entries: list[Entry], tmp_path: Path, command: list[str]) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    archive = write_archive(entries, tmp_path / "out.zip")
    subprocess.run([*command, archive.path], check=True, capture_output=True, timeout=60)


def test_unpacked_files_have_their_bytes_modes_and_links(
    entries: list[Entry], tmp_path: Path
) -> None:
    archive = write_archive(entries, tmp_path / "out.zip")
    folder = tmp_path / "unpacked"
    unpack(archive.path, folder)
    assert (folder / "bin/python").readlink() == Path("python3")
    assert (folder / "bin/python").read_bytes() == b"the python"
    assert stat.S_IMODE((folder / "run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((folder / "small.txt").stat().st_mode) == 0o644
    assert (folder / "large.txt").read_bytes() == (tmp_path / "source/large").read_bytes()
    again = write_archive(zip_entries(archive.path), tmp_path / "again.zip")
    assert again.sha256 == archive.sha256


def test_two_folders_and_two_times_give_one_archive(tmp_path: Path) -> None:
    sums = set()
    for folder in (tmp_path / "one", tmp_path / "two" / "deeper"):
        data = folder / "data"
        data.mkdir(parents=True)
        names = (
            ["b.txt", "a.txt", "c.txt"] if "one" in folder.parts else ["c.txt", "b.txt", "a.txt"]
        )
        for name in names:
            (data / name).write_text(name * 400_000)
            os.utime(data / name, (random.randint(0, 10**9),) * 2)
        made = wheel(folder, {"demo.py": "A = 1\n"})
        entries = [*tree_entries(data, "data"), *wheel_entries(made, target_layout())]
        random.shuffle(entries)
        sums.add(write_archive(entries, folder / "out.zip", manifest={"x": 1}).sha256)
    assert len(sums) == 1


def test_times_come_from_source_date_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    archive = write_archive([text_entry("a", "a")], tmp_path / "out.zip")
    with zipfile.ZipFile(archive.path) as opened:
        assert opened.getinfo("a").date_time == time.gmtime(1700000000)[:6]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH is 'yesterday'"):
        write_archive([text_entry("a", "a")], tmp_path / "out.zip")


def test_more_entries_than_a_plain_zip_can_count(tmp_path: Path) -> None:
    entries = [text_entry(f"d{number % 7}/{number}", "") for number in range(66_000)]
    archive = write_archive(entries, tmp_path / "out.zip")
    with zipfile.ZipFile(archive.path) as opened:
        assert len(opened.namelist()) == 66_000
        assert opened.read("d1/1") == b""
    assert len(zip_entries(archive.path)) == 66_000


def test_a_member_larger_than_a_plain_zip_can_hold(tmp_path: Path) -> None:
    stream = tmp_path / "stream"
    stream.write_bytes(b"\x03\x00")
    huge = Member(stream, 0, 8, 0, 2, (4 << 30) + 12345)
    entries = [Entry("huge", 0o100644, huge), text_entry("z", "after")]
    archive = write_archive(entries, tmp_path / "out.zip")
    with zipfile.ZipFile(archive.path) as opened:
        assert opened.getinfo("huge").file_size == huge.size
        assert opened.read("z") == b"after"
    (read, _) = zip_entries(archive.path)
    assert read.size == huge.size


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    size = 256 << 20
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(size)
    program = (
        "import sys; from pathlib import Path;"
        "from bundler.archive.entry import *; from bundler.archive.writer import write_archive;"
        f"write_archive([Entry('sparse', 0o100644, OnDisk(Path(sys.argv[1]), {size}))],"
        "Path(sys.argv[2]));"
        "print(Path('/proc/self/status').read_text())"
    )
    out = tmp_path / "out.zip"
    finished = subprocess.run(
        [sys.executable, "-c", program, sparse, out], capture_output=True, text=True, check=True
    )
    peak = re.search(r"VmHWM:\s*(\d+) kB", finished.stdout)
    assert peak
    assert int(peak[1]) * 1024 < 150e6


def test_the_bytes_do_not_depend_on_the_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "".join(f"line {number}\n" for number in range(400_000)).encode()
    entry = Entry("large", 0o100644, on_disk(tmp_path / "large", text))
    sums = set()
    for count in (1, 8):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        sums.add(write_archive([entry], tmp_path / "out.zip").sha256)
    assert len(sums) == 1


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    entries = [text_entry("a", "1", owner="one"), text_entry("a", "1", owner="two")]
    with pytest.raises(BuildError, match="a appears twice: from one and from two"):
        write_archive(entries, tmp_path / "out.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "a\\b", ""])
def test_a_name_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        BuildError, match=r"^The name '.*' \(the archive\) is not a plain relative path"
    ):
        write_archive([text_entry(name, "x")], tmp_path / "out.zip")


@pytest.mark.parametrize("target", ["/usr/bin/python3", "../../python3", "../..", ""])
def test_a_symlink_that_leads_out_is_refused(tmp_path: Path, target: str) -> None:
    with pytest.raises(
        BuildError,
        match=r"bin/python \(the archive\) is a symlink (that leads out of the archive|without)",
    ):
        write_archive([link("bin/python", target)], tmp_path / "out.zip")


def test_a_symlink_has_the_mode_of_the_file_at_its_end(tmp_path: Path) -> None:
    entries = [
        link("a", "b"),
        link("b", "secret"),
        Entry("secret", 0o100600, Inline(b"s")),
        link("folder-link", "folder"),
        text_entry("folder/x", "x"),
    ]
    archive = write_archive(entries, tmp_path / "out.zip")
    with zipfile.ZipFile(archive.path) as opened:
        modes = {i.filename: stat.S_IMODE(i.external_attr >> 16) for i in opened.infolist()}
    assert modes["a"] == modes["b"] == 0o600
    assert modes["folder-link"] == 0o755


def test_a_file_that_changes_meanwhile_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = on_disk(path, b"x" * 100)
    for data in (b"x" * 50, b"x" * 150):
        path.write_bytes(data)
        with pytest.raises(BuildError, match="changed while f was written"):
            write_archive([Entry("f", 0o100644, content)], tmp_path / "out.zip")
    path.unlink()
    with pytest.raises(BuildError, match="file cannot be read"):
        write_archive([Entry("f", 0o100644, content)], tmp_path / "out.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small tmpfs cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("size", [2_000_000, 30_000_000])
def test_no_space_left_leaves_nothing(small_disk: Path, tmp_path: Path, size: int) -> None:
    content = on_disk(tmp_path / "noise", random.Random(2).randbytes(size))
    with pytest.raises(BuildError, match=r"(?s)No space left.*Nothing was written"):
        write_archive([Entry("noise", 0o100644, content)], small_disk / "out.zip")
    assert list(small_disk.iterdir()) == []


def test_a_folder_that_is_not_writable(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(0o500)
    program = (
        "import os; from pathlib import Path;"
        "from bundler.archive.entry import text_entry;"
        "from bundler.archive.writer import write_archive;"
        "from bundler.errors import UsageError;"
        "os.geteuid() or os.setuid(65534)\n"
        "try: write_archive([text_entry('a', 'a')], Path('out.zip'))\n"
        "except UsageError as error: print(error)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True
    )
    assert "is not writable" in finished.stdout, finished.stderr


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    size = 400 << 20
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as file:
        file.truncate(size)
    out = tmp_path / "out"
    program = (
        "import sys; from pathlib import Path;"
        "from bundler.archive.entry import *; from bundler.archive.writer import write_archive;"
        f"big = OnDisk(Path(sys.argv[1]), {size});"
        "write_archive([Entry(f'f{i}', 0o100644, big) for i in range(50)], Path(sys.argv[2]))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, sparse, out / "out.zip"], stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 300
    while not (out.is_dir() and list(out.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(out.iterdir()), "it never began to write"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    assert b"KeyboardInterrupt" in errors
    assert list(out.iterdir()) == []


def test_an_archive_that_is_there_stays_when_the_next_one_fails(tmp_path: Path) -> None:
    out = tmp_path / "out.zip"
    first = write_archive([text_entry("a", "a")], out)
    with pytest.raises(BuildError):
        write_archive([link("a", "/etc")], out)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == first.sha256
