from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bundler.errors import FetchError
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.wheels.published import fetch_release
from tests.support.serving import Index, make_wheel, serve


def test_a_release_moves_with_the_index(
    index: Index, tmp_path: Path, clean_environment: pytest.MonkeyPatch
) -> None:
    clean_environment.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    clean_environment.setenv("PIP_INDEX_URL", f"{index.url}/simple")
    cache = Cache(tmp_path / "cache")
    wheel = make_wheel(index.folder, "tool")
    found = fetch_release("tool", "1.0", Session(cache))
    asked = len(index.requests)
    assert fetch_release("tool", "1.0", Session(cache, offline=True)) == found
    assert len(index.requests) == asked

    shutil.rmtree(cache.root / "wheels")
    with serve(tmp_path / "other") as other:
        wheel.rename(other.folder / wheel.name)
        clean_environment.setenv("PIP_INDEX_URL", f"{other.url}/simple")
        with pytest.raises(FetchError, match="Not in the cache"):
            fetch_release("tool", "1.0", Session(cache, offline=True))
        assert fetch_release("tool", "1.0", Session(cache)) == found
    clean_environment.setenv("PIP_FIND_LINKS", str(tmp_path / "other"))
    clean_environment.setenv("PIP_NO_INDEX", "1")
    shutil.rmtree(cache.root)
    assert fetch_release("tool", "1.0", Session(cache)) == found
    with pytest.raises(FetchError, match=r"Could not fetch tool 2\.0"):
        fetch_release("tool", "2.0", Session(cache))
