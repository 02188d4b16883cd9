"""What becomes of archives that do not pass their check."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bundler.archive.entry import Entry, Inline, text_entry
from bundler.archive.merge import merge
from bundler.archive.wheel import target_layout, wheel_entries
from bundler.archive.writer import write_archive
from bundler.errors import VerificationError
from bundler.session import Session
from bundler.stages.check import check_packed
from bundler.stages.pack import Packed
from bundler.support.cache import Cache
from bundler.support.progress import Progress, Task
from bundler.target import Target
from tests.support.making_wheels import wheel

HERE = Target(
    "2.2.1",
    f"{sys.version_info.major}.{sys.version_info.minor}",
    f"manylinux2014_{platform.machine()}",
)


def packed(folder: Path, kind: str, entries: list[Entry]) -> Packed:
    return Packed(kind, write_archive(entries, folder / f"{kind}.zip"), 0.0)


def deps_with(folder: Path, code: str) -> Packed:
    made = wheel(folder / "wheels", {"demo.py": code})
    return packed(folder, "deps", merge([wheel_entries(made, target_layout())]))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix in (".zip", ".unchecked"))


def test_archives_whose_modules_do_not_import_lose_their_final_names(tmp_path: Path) -> None:
    session = Session(Cache(tmp_path / "cache"))
    data = packed(tmp_path, "data", [text_entry("a", "a")])
    with pytest.raises(VerificationError, match="demo of demo cannot be imported") as caught:
        check_packed([deps_with(tmp_path, "import nothing_like_it\n"), data], HERE, session)
    assert names(tmp_path) == ["data.zip.unchecked", "deps.zip.unchecked"]
    assert "kept as deps.zip.unchecked, data.zip.unchecked" in caught.value.remedy
    assert "skip-imports" in caught.value.remedy
    check_packed([deps_with(tmp_path, "VALUE = 1\n")], HERE, session)
    assert names(tmp_path) == ["data.zip.unchecked", "deps.zip"]


def test_an_archive_that_flink_could_not_unpack_loses_its_final_name(tmp_path: Path) -> None:
    unreadable = packed(tmp_path, "data", [Entry("secret", 0o100000, Inline(b"s"))])
    with pytest.raises(VerificationError, match="secret: it could not be read") as caught:
        check_packed([unreadable], HERE, Session(Cache(tmp_path / "cache")))
    assert names(tmp_path) == ["data.zip.unchecked"]
    assert "kept as data.zip.unchecked" in caught.value.remedy


class Interrupting(Progress):
    """Somebody presses Ctrl-C while modules are imported."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    @contextmanager
    def task(self, text: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        if text == "Importing":
            raise KeyboardInterrupt
        yield Task()

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def test_a_check_that_is_interrupted_leaves_no_final_name(tmp_path: Path) -> None:
    progress = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        check_packed([deps_with(tmp_path, "")], HERE, Session(Cache(tmp_path / "cache"), progress))
    assert names(tmp_path) == ["deps.zip.unchecked"]
    assert "kept as deps.zip.unchecked" in progress.warnings[-1]
