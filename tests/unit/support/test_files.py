"""Only regular files are read, and only as much of them as is expected."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from bundler.errors import BundlerError, UsageError
from bundler.support.files import check_writable, open_regular, read_bounded, whole_file


def test_a_regular_file_or_a_link_to_one_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    (tmp_path / "link").symlink_to(file)
    assert read_bounded(tmp_path / "link", 10) == b"0123456789"
    with open_regular(file) as opened:
        assert opened.read() == b"0123456789"
        assert os.get_inheritable(opened.fileno()) is False


def test_one_byte_more_than_expected_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    with pytest.raises(UsageError, match="is larger than 9 bytes") as caught:
        read_bounded(file, 9, "a lock")
    assert caught.value.expected == "Expected a lock, which is smaller."


def test_what_is_not_a_regular_file_is_an_error_at_once(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.fspath(tmp_path / "socket"))
        for path, kind in [
            (fifo, "a named pipe"),
            (tmp_path / "socket", "a socket"),
            (tmp_path, "a folder"),
            (Path("/dev/zero"), "a device"),
        ]:
            with pytest.raises(UsageError) as caught:
                read_bounded(path, 10, "a requirements file")
            assert str(caught.value).splitlines() == [
                f"{path} is {kind}.",
                "Expected a requirements file.",
                "Give the path of a regular file.",
            ]


@pytest.mark.parametrize("name", ["absent", "a\0b", "x" * 300])
def test_what_cannot_be_opened_is_an_error_of_three_parts(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        open_regular(tmp_path / name)
    assert all((caught.value.found, caught.value.expected, caught.value.remedy))
    assert "\0" not in str(caught.value)


def test_only_a_regular_file_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "device").symlink_to("/dev/null")
    for name, kind in [
        ("fifo", "a named pipe"),
        ("folder", "a folder"),
        ("link", "a symbolic link"),
        ("device", "a symbolic link"),
        ("/dev/null", "a device"),
    ]:
        path = tmp_path / name
        with pytest.raises(UsageError, match=f"is {kind}"):
            check_writable(path)
        with pytest.raises(UsageError, match=f"is {kind}"), whole_file(path):
            pass
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "device", "fifo", "file", "folder", "link",
    ]  # fmt: skip
    for name in ("file", "new", "sub/folder/new"):
        check_writable(tmp_path / name)
        with whole_file(tmp_path / name) as temporary:
            temporary.write_text("new")
        assert (tmp_path / name).read_text() == "new"


@pytest.mark.parametrize("name", ["a\0b", "file/inside", "x" * 300])
def test_what_cannot_be_written_is_an_error_before_the_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BundlerError) as caught:
        check_writable(tmp_path / name)
    assert all((caught.value.found, caught.value.expected, caught.value.remedy))
