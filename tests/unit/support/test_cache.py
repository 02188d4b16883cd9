from __future__ import annotations

from pathlib import Path

import pytest

from bundler.errors import BuildError
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
