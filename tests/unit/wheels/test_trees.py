"""Source trees and sdists of strangers."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from bundler.errors import UsageError
from bundler.wheels import trees
from bundler.wheels.trees import check_sdist, copy_tree, subfolder, tree_digest


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "inner" / "deep").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[project]\nname = 'leaf'\n")
    (tmp_path / "outside").mkdir()
    (root / "out").symlink_to(tmp_path / "outside")
    return root


def test_subfolders_stay_inside(tree: Path) -> None:
    assert subfolder(tree, None, "leaf") == tree
    assert subfolder(tree, "inner/deep", "leaf") == tree / "inner/deep"
    assert subfolder(tree, "inner/../inner", "leaf") == tree / "inner"
    for outside in ("..", "../outside", "/etc", "out", "out/..", "nowhere", "a\0b", "a\\b", "x\ny"):
        with pytest.raises(UsageError, match="is not a folder in the source of leaf"):
            subfolder(tree, outside, "leaf")


def test_a_digest_sees_every_file_and_no_leftovers(tree: Path) -> None:
    first = tree_digest(tree)
    (tree / "build").mkdir()
    (tree / "build" / "x").write_text("x")
    assert tree_digest(tree) == first
    (tree / "inner" / "deep" / "x").write_text("x")
    assert tree_digest(tree) != first


def test_links_in_a_circle_end(tree: Path) -> None:
    (tree / "inner" / "up").symlink_to("..")
    (tree / "a").symlink_to("b")
    (tree / "b").symlink_to("a")
    tree_digest(tree)
    copy = copy_tree(tree, tree.parent / "copy")
    assert (copy / "inner" / "up").is_symlink()


def test_a_very_deep_tree_is_read(tree: Path) -> None:
    here = os.open(tree, os.O_RDONLY)
    try:
        for _ in range(1500):
            os.mkdir("d", dir_fd=here)
            inner = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = inner
    finally:
        os.close(here)
    try:
        tree_digest(tree)
    finally:
        # shutil.rmtree, which pytest cleans up with, is recursive.
        subprocess.run(["rm", "-rf", tree / "d"], check=True)


@pytest.mark.parametrize("link", [False, True])
def test_named_pipes_are_refused(tree: Path, link: bool) -> None:
    os.mkfifo(tree.parent / "pipe" if link else tree / "pipe")
    if link:
        (tree / "pipe").symlink_to("../pipe")
    with pytest.raises(UsageError, match="is a named pipe, socket or device"):
        tree_digest(tree)
    assert not (copy_tree(tree, tree.parent / "copy") / "pipe").exists()


def test_devices_are_refused(tree: Path) -> None:
    (tree / "endless").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="is a named pipe, socket or device"):
        tree_digest(tree)


@pytest.mark.parametrize(("limit", "value"), [("_LARGEST", 3), ("_MOST", 1)])
def test_trees_are_bounded(
    tree: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    (tree / "more").write_text("more")
    monkeypatch.setattr(trees, limit, value)
    with pytest.raises(UsageError, match="has more than"):
        tree_digest(tree)


def sdist(folder: Path, *sizes: int) -> Path:
    path = folder / "leaf-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for number, size in enumerate(sizes):
            member = tarfile.TarInfo(f"leaf-1.0/{number}")
            member.size = size
            tar.addfile(member, io.BytesIO(b"\0" * size))
    return path


def test_sdists_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_sdist(sdist(tmp_path, 1000, 1000))
    monkeypatch.setattr(trees, "_LARGEST", 1999)
    with pytest.raises(UsageError, match="has more than"):
        check_sdist(sdist(tmp_path, 1000, 1000))
    path = tmp_path / "leaf-1.0.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"\0" * 2000)
    with pytest.raises(UsageError, match="has more than"):
        check_sdist(path)


@pytest.mark.parametrize("data", [b"", b"text", gzip.compress(b"text"), b"\x1f\x8b" + b"\0" * 99])
def test_a_damaged_sdist_is_named(tmp_path: Path, data: bytes) -> None:
    for name in ("leaf-1.0.tar.gz", "leaf-1.0.zip"):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UsageError, match=name):
            check_sdist(tmp_path / name)
