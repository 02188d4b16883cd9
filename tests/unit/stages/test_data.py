"""A data archive is made of files, folders and links that stay inside, and of nothing else."""

from __future__ import annotations

import os
import socket
import zipfile
from pathlib import Path

import pytest

from bundler.errors import UsageError
from bundler.stages.pack import pack_data


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    return folder


def test_links_inside_are_kept_and_files_elsewhere_copied(folder, tmp_path):
    (tmp_path / "elsewhere.txt").write_text("b")
    (folder / "inside").symlink_to("a.txt")
    (folder / "copied").symlink_to(tmp_path / "elsewhere.txt")

    pack_data([folder], tmp_path / "data.zip")

    with zipfile.ZipFile(tmp_path / "data.zip") as archive:
        assert archive.read("models/inside") == b"a.txt"
        assert archive.read("models/copied") == b"b"


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def link_to(target: str):
    return lambda path: path.symlink_to(target)


@pytest.mark.parametrize(
    "make", [make_pipe, make_socket, *map(link_to, ["/dev/zero", "gone", "/etc", "..", "odd"])]
)
def test_all_else_is_told_of_at_once(folder, tmp_path, make, monkeypatch):
    monkeypatch.chdir(folder)  # the path of a socket may not be long
    make(Path("odd"))

    with pytest.raises(UsageError, match=r"odd|/dev/zero"):
        pack_data([folder], tmp_path / "data.zip")

    assert not (tmp_path / "data.zip").exists()


@pytest.mark.parametrize("path", ["/dev/zero", "pipe"])
def test_a_device_or_a_pipe_by_itself(tmp_path, path):
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(UsageError):
        pack_data([tmp_path / path], tmp_path / "data.zip")
