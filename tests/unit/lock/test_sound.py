"""Locks that a stranger wrote: what cannot be right is refused before anything is fetched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from bundler.errors import UsageError
from bundler.lock.pylock import LockInputs, read_lock
from bundler.target import Target

DIGEST = "0123456789abcdef" * 4
NAME = "demo-1.0-py3-none-any.whl"
TABLE = {
    "flink": "2.2.1",
    "python": "3.11",
    "platform": "manylinux2014_x86_64",
    "requirements": ["demo"],
    "options": [],
    "constraints": [],
    "created": "2026-01-01T00:00:00Z",
}


def write(folder: Path, wheel: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A lock with one wheel; ``changes`` are put over its package, ``tool`` over ``[tool]``."""
    tool = changes.pop("tool", {"bundle": TABLE})
    file = {"url": f"https://h.example/{NAME}", "hashes": {"sha256": DIGEST}, **(wheel or {})}
    package = {"name": "demo", "version": "1.0", "wheels": [file], **changes}
    path = folder / "pylock.toml"
    lock = {"lock-version": "1.0", "created-by": "x", "packages": [package], "tool": tool}
    path.write_text(tomli_w.dumps(lock))
    return path


def test_a_sound_lock_is_read(tmp_path: Path) -> None:
    lock = read_lock(write(tmp_path))
    assert lock.versions == {"demo": "1.0"}
    target = Target.parse(flink="2.2.1", python="3.11")
    assert lock.differences(LockInputs(target, ("demo",))) == []
    assert read_lock(write(tmp_path, tool={})).table == {}


@pytest.mark.parametrize(
    ("wheel", "message"),
    [
        ({"hashes": {"sha256": "../" * 21 + "x"}}, "is not a SHA-256"),
        ({"hashes": {"sha256": DIGEST.upper()}}, "is not a SHA-256"),
        ({"hashes": {"sha256": DIGEST + "\n"}}, "is not a SHA-256"),
        ({"hashes": {"md5": "0" * 32}}, "'None' is not a SHA-256"),
        ({"name": "../" + NAME}, "not a valid lock"),
        ({"name": "a\0.whl"}, "not a valid lock"),
        ({"url": "ftp://h.example/" + NAME}, "its scheme is 'ftp'"),
        ({"url": "https://h.example/\n" + NAME}, r"it holds '\\n'"),
        ({"url": "https://h.example:x/" + NAME}, "is not a URL for a file"),
        ({"url": "https:///" + NAME}, "it has no host"),
        ({"url": "https://h.example/..%2f..%2fetc%2fpasswd"}, "Invalid wheel filename"),
        ({"url": "https://h.example/" + "a/" * 3000 + NAME}, "characters"),
        ({"size": -1}, "-1 is not a size"),
        ({"size": 1 << 60}, "is not a size"),
    ],
)
def test_files(tmp_path: Path, wheel: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read_lock(write(tmp_path, wheel))
    assert len(str(caught.value).splitlines()) == 3
    assert str(caught.value).isprintable() or "\n" in str(caught.value)


@pytest.mark.parametrize("inside", ["../x", "/x", "a/../../x", "a\0b"])
def test_a_folder_in_an_archive_is_inside(tmp_path: Path, inside: str) -> None:
    archive = {
        "url": "https://h.example/demo-1.0.tar.gz",
        "hashes": {"sha256": DIGEST},
        "subdirectory": inside,
    }
    with pytest.raises(UsageError, match="is not a folder in the archive"):
        read_lock(write(tmp_path, wheels=[], archive=archive))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"created": 1}, "tool.bundle.created is 1, expected text in quotes"),
        ({"requirements": "demo"}, "tool.bundle.requirements"),
        ({"requirements": [["demo"]]}, "tool.bundle.requirements.0"),
        ({"constraints": ["a\x1b"]}, "tool.bundle.constraints.0"),
        ({"surplus": 1}, "tool.bundle.surplus is not a known key"),
        ({"created": "now; rm"}, "tool.bundle.created"),
    ],
)
def test_the_table_of_bundle(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_lock(write(tmp_path, tool={"bundle": {**TABLE, **changes}}))
    with pytest.raises(UsageError, match=r"tool\.bundle"):
        read_lock(write(tmp_path, tool={"bundle": "x"}))


@pytest.mark.parametrize(
    "text",
    [
        b"\xff\xfe",
        b"",
        b"lock-version = 1",
        b"a = " + b"[" * 100_000,
        b"a = " + b"{b=" * 1000,
        b"a." * 100_000 + b"b = 1",
        b"lock-version = '1.0'\ncreated-by = 'x'\npackages = 3\n",
        b"lock-version = '1.0'\ncreated-by = 'x'\npackages = [1]\n",
        b"lock-version = '1.0'\ncreated-by = 'x'\npackages = [{name = '../x'}]\n",
        b"lock-version = '1.0'\ncreated-by = 'x'\npackages = [{name = 'x', version = 'y'}]\n",
    ],
)
def test_what_is_not_a_lock(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "pylock.toml").write_bytes(text)
    with pytest.raises(UsageError, match="is not a valid lock") as caught:
        read_lock(tmp_path / "pylock.toml")
    assert len(str(caught.value)) < 1000


def test_a_lock_is_a_regular_file_of_bounded_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero"), tmp_path):
        with pytest.raises(UsageError, match="is a"):
            read_lock(path)
    with (tmp_path / "pylock.toml").open("wb") as file:
        file.truncate(65 << 20)
    with pytest.raises(UsageError, match="is larger than"):
        read_lock(tmp_path / "pylock.toml")
