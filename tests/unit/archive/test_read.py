from __future__ import annotations

import os
import socket
import stat
import subprocess
from pathlib import Path

import pytest

from bundler.archive.entry import Inline, OnDisk
from bundler.archive.read import tree_entries
from bundler.errors import UsageError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / "sub" / "deep").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "sub/run").write_text("#!/bin/sh\n")
    (folder / "sub/run").chmod(0o700)
    (folder / "sub/deep/ü.bin").write_bytes(b"\0" * 10)
    return folder


def test_files_keep_their_names_and_whether_they_run(tree: Path) -> None:
    entries = {entry.name: entry for entry in tree_entries(tree, "models/", "mine")}
    assert sorted(entries) == ["models/a.txt", "models/sub/deep/ü.bin", "models/sub/run"]
    assert entries["models/a.txt"].content == OnDisk(tree / "a.txt", 1)
    assert stat.S_IMODE(entries["models/sub/run"].mode) == 0o755
    assert stat.S_IMODE(entries["models/a.txt"].mode) == 0o644
    assert entries["models/a.txt"].owner == "mine"


def test_a_file_alone_has_the_name_it_is_given(tree: Path) -> None:
    (entry,) = tree_entries(tree / "a.txt", "renamed.txt")
    assert (entry.name, entry.size) == ("renamed.txt", 1)


def test_symlinks_inside_stay_relative_and_others_become_files(tree: Path) -> None:
    outside = tree.parent / "outside.txt"
    outside.write_text("outside")
    (tree / "sub/deep/up").symlink_to("../../a.txt")
    (tree / "absolute").symlink_to(tree / "sub")
    (tree / "copy").symlink_to(outside)
    entries = {entry.name: entry for entry in tree_entries(tree)}
    assert entries["sub/deep/up"].content == Inline(b"../../a.txt")
    assert entries["absolute"].content == Inline(b"sub")
    assert entries["sub/deep/up"].is_symlink
    assert entries["copy"].content == OnDisk(outside, 7)
    assert not entries["copy"].is_symlink


def test_a_broken_symlink_is_refused(tree: Path) -> None:
    (tree / "broken").symlink_to("nowhere")
    with pytest.raises(UsageError, match="which does not exist"):
        tree_entries(tree)


def test_a_symlink_to_a_folder_outside_is_refused(tree: Path) -> None:
    (tree / "away").symlink_to("/usr")
    with pytest.raises(UsageError, match="a symlink to a folder outside, /usr"):
        tree_entries(tree)


def test_pipes_and_sockets_are_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(UsageError, match=r"pipe' is not a file, folder or symlink"):
        tree_entries(tree)
    (tree / "pipe").unlink()
    monkeypatch.chdir(tree)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        with pytest.raises(UsageError, match=r"socket' is not a file, folder or symlink"):
            tree_entries(tree)


@pytest.mark.parametrize("name", [b"not-utf8-\xff", b"back\\slash"])
def test_names_that_no_zip_can_hold_are_refused(tree: Path, name: bytes) -> None:
    Path(os.fsdecode(os.fsencode(tree) + b"/" + name)).write_text("x")
    with pytest.raises(UsageError, match="cannot be in an archive: its name is not"):
        tree_entries(tree)


def test_what_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere does not exist"):
        tree_entries(tmp_path / "nowhere")


def test_a_folder_deeper_than_pythons_stack(tmp_path: Path) -> None:
    top = tmp_path / "deep"
    top.mkdir()
    try:
        path = top
        for _ in range(1_200):
            path = path / "d"
            path.mkdir()
        (path / "file").write_text("found")
        [entry] = tree_entries(top)
        assert entry.name == f"{'d/' * 1_200}file"
    finally:
        # Python's own way to remove a tree is recursive too.
        subprocess.run(["rm", "-rf", top], check=True)
