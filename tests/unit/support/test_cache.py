from __future__ import annotations

from pathlib import Path

import pytest

from bundler.errors import BuildError, UsageError
from bundler.support.cache import Cache


def test_a_relative_cache_stays_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BUNDLE_CACHE", "cache")
    assert Cache.default().root == tmp_path / "cache"


def test_a_lock_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(BuildError, match=r"x\.lock could not be written"),
        Cache(tmp_path / "file" / "cache").lock("x"),
    ):
        pass


def test_a_lock_is_let_go_whatever_happens(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(ZeroDivisionError), cache.lock("x"):
        raise ZeroDivisionError
    with cache.lock("x"):
        pass


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("../" * 21 + "a", "x"),
        ("a" * 63, "x"),
        ("A" * 64, "x"),
        ("a" * 64 + "\n", "x"),
        ("a" * 64, "../x"),
        ("a" * 64, ".."),
        ("a" * 64, ""),
        ("a" * 64, "a\\b"),
        ("a" * 64, "a\0b"),
    ],
)
def test_only_a_hash_and_a_file_name_have_a_place(tmp_path: Path, key: str, name: str) -> None:
    with pytest.raises(UsageError, match="has no place in the cache"):
        Cache(tmp_path).path("wheels", key, name)


def test_the_place_of_a_hash(tmp_path: Path) -> None:
    key = "0123456789abcdef" * 4
    assert Cache(tmp_path).path("wheels", key, "x.whl") == (
        tmp_path / "wheels" / "01" / key / "x.whl"
    )
