from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from bundler.archive.entry import text_entry
from bundler.archive.writer import write_archive
from bundler.errors import BuildError, UsageError, VerificationError
from bundler.verify.zips import check_archive, unpack

FILE, LINK = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o755


def zipped(path: Path, *members: tuple[str, int, bytes], method: int = 0) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, mode, data in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            info.create_system = 3 if mode else 0
            archive.writestr(info, data, method)
    return path


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ([("a", 0, b"")], "a: it has no Unix mode"),
        ([("bin/python", LINK, b"/usr/bin/python3")], "bin/python: it is a symlink that leads out"),
        ([("a", LINK, b"b"), ("b", stat.S_IFREG | 0o600, b"")], "a: it is a symlink whose mode"),
        ([("../a", FILE, b"")], "../a: its name is not a plain relative path"),
        ([("f/", stat.S_IFDIR | 0o500, b"")], "f/: it is a folder that could not be written into"),
        ([("p", stat.S_IFIFO | 0o644, b"")], "p: it is not a file, folder or symlink"),
        ([("p", stat.S_IFREG | 0o200, b"")], "p: it could not be read"),
    ],
)
def test_what_flink_would_unpack_wrongly_is_refused(
    tmp_path: Path, members: list[tuple[str, int, bytes]], problem: str
) -> None:
    path = zipped(tmp_path / "made.zip", *members)
    with pytest.raises(VerificationError) as caught:
        check_archive(path)
    assert f"made.zip: {problem}" in str(caught.value)


def test_compression_that_flink_cannot_read_is_refused(tmp_path: Path) -> None:
    path = zipped(tmp_path / "made.zip", ("a", FILE, b"a" * 100), method=zipfile.ZIP_LZMA)
    with pytest.raises(VerificationError, match="compression method 14"):
        check_archive(path)


def test_damage_is_found_when_checking_and_when_unpacking(tmp_path: Path) -> None:
    path = zipped(tmp_path / "made.zip", ("a", FILE, b"content"))
    path.write_bytes(path.read_bytes().replace(b"content", b"CONTENT"))
    for use in (check_archive, lambda path: unpack(path, tmp_path / "out")):
        with pytest.raises(VerificationError, match="a: its CRC is wrong"):
            use(path)


def test_nothing_is_unpacked_outside_or_through_a_link(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    path = zipped(tmp_path / "made.zip", ("link", LINK, b"../victim"), ("link/file", FILE, b"evil"))
    with pytest.raises(VerificationError, match="link/file: its folder link is a symlink"):
        unpack(path, tmp_path / "out")
    assert list(victim.iterdir()) == []
    assert not (tmp_path / "out").exists()


def test_what_this_tool_writes_passes(tmp_path: Path) -> None:
    entries = [text_entry("a/b", "x" * 1000), text_entry("run", "#!/bin/sh\n", executable=True)]
    archive = write_archive(entries, tmp_path / "made.zip", manifest={})
    check_archive(archive.path)


def test_unpacking_where_nothing_can_be_written(tmp_path: Path) -> None:
    archive = write_archive([text_entry("a", "a")], tmp_path / "made.zip")
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="could not be written"):
        unpack(archive.path, tmp_path / "file" / "folder")


def test_an_archive_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.zip does not exist"):
        check_archive(tmp_path / "none.zip")
