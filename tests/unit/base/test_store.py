from __future__ import annotations

import os
from pathlib import Path

import pytest

from bundler.archive.entry import text_entry
from bundler.base.store import NewBase, keep, key_of, load
from bundler.errors import BuildError
from bundler.session import Session
from bundler.support.cache import Cache


class Maker:
    def __init__(self, *sources: Path) -> None:
        self.sources = sources
        self.calls = 0

    def __call__(self, staging: Path) -> NewBase:
        self.calls += 1
        assert list(staging.iterdir()) == []
        return NewBase(
            "3.11.7",
            [text_entry("bin/python3.11", "x" * 1000, executable=True)],
            "lib/python3.11/site-packages",
            "bin/python3.11",
            (("numpy", "2.0"),),
            self.sources,
        )


def test_it_is_made_once_and_read_back_compressed(tmp_path: Path) -> None:
    cache, maker = Cache(tmp_path), Maker()
    first = keep(Session(cache), key_of("a"), "host", "why", maker)
    assert keep(Session(cache), key_of("a"), "host", "why", maker) == first
    assert maker.calls == 1
    assert first.python_version == "3.11.7"
    assert first.distributions == (("numpy", "2.0"),)
    assert first.glibc == (0, 0)
    (entry,) = first.entries
    assert (entry.name, entry.mode & 0o777, entry.size) == ("bin/python3.11", 0o755, 1000)
    assert entry.content.compressed_size < 100  # type: ignore[union-attr]
    assert load(cache, key_of("b"), "host", "why") is None


def test_a_source_that_changed_makes_it_anew(tmp_path: Path) -> None:
    library = tmp_path / "libssl.so.3"
    library.write_text("old")
    cache, maker = Cache(tmp_path / "cache"), Maker(library)
    keep(Session(cache), key_of("a"), "host", "why", maker)
    os.utime(library, (0, 0))
    keep(Session(cache), key_of("a"), "host", "why", maker)
    assert maker.calls == 2
    library.unlink()
    assert load(cache, key_of("a"), "host", "why") is None


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(staging: Path) -> NewBase:
        (staging / "half").write_text("x")
        raise BuildError("no")

    with pytest.raises(BuildError):
        keep(Session(Cache(tmp_path)), key_of("a"), "host", "why", fail)
    assert [path for path in (tmp_path / "base").rglob("*") if path.is_file()] == []
    assert list((tmp_path / "base").glob(".making-*")) == []


def test_a_cache_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="file"):
        keep(Session(Cache(tmp_path / "file")), key_of("a"), "host", "why", Maker())


@pytest.mark.parametrize("thing", ["link", "file", "dangling"])
def test_what_is_in_the_place_of_a_kept_base_is_replaced(tmp_path: Path, thing: str) -> None:
    cache, maker = Cache(tmp_path / "cache"), Maker()
    identity = key_of("host", "here")
    first = keep(Session(cache), identity, "host", "why", maker)
    (folder,) = cache.root.glob("base/*/*/base")
    moved = folder.rename(tmp_path / "moved")
    (moved / "base.zip").write_bytes(b"")
    if thing == "file":
        folder.write_text("")
    else:
        folder.symlink_to(moved if thing == "link" else tmp_path / "nowhere")
    again = keep(Session(cache), identity, "host", "why", maker)
    assert again == first
    assert not folder.is_symlink()
    assert (moved / "base.zip").read_bytes() == b""


@pytest.mark.parametrize("text", ["3", "{}", "[]", '{"sha256": 1}', "[" * 9999, "null", '["a"]'])
@pytest.mark.parametrize("name", ["base/base.json", "sources.json"])
def test_facts_that_are_damaged_are_made_again(tmp_path: Path, name: str, text: str) -> None:
    cache, maker = Cache(tmp_path / "cache"), Maker()
    identity = key_of("host", "here")
    first = keep(Session(cache), identity, "host", "why", maker)
    (place,) = cache.root.glob(f"base/*/*/{name}")
    place.write_text(text)
    assert keep(Session(cache), identity, "host", "why", maker) == first
