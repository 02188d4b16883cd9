"""The real command on inputs that were made to do harm: refused in a few lines, nothing outside."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.support.bounded import Outcome, run_bounded
from tests.support.hostile import Hostile, cases

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="bounds a process as Linux does")

REFUSED = {2, 3, 4, 5, 6, 7}
"""The exit codes of a BundlerError."""

MEMORY = 400 << 20
"""Far above what any of these takes, far below what they would take if read whole."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    places = {name: tmp_path / "own" / name for name in ("cache", "uv", "tmp", "home")}
    for place in places.values():
        place.mkdir(parents=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(places["home"]),
        "TMPDIR": str(places["tmp"]),
        "BUNDLE_CACHE": str(places["cache"]),
        "UV_CACHE_DIR": str(places["uv"]),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "NO_COLOR": "1",
        "COLUMNS": "400",
    }


@pytest.mark.parametrize("case", cases(), ids=str)
def test_hostile(case: Hostile, tmp_path: Path, environment: dict[str, str]) -> None:
    folder = tmp_path / "case"
    folder.mkdir()
    words = case.make(folder)
    before = snapshot(tmp_path)
    outcome = run_bounded([*words, "--quiet"], folder, environment)
    told = outcome.stderr.strip()
    if case.refused:
        assert outcome.code in REFUSED, (outcome.code, told[-2000:])
        assert told, "it says nothing"
    else:
        assert outcome.code in {0, *REFUSED}, (outcome.code, told[-2000:])
    assert_short(outcome)
    if outcome.code:
        assert changes(before, snapshot(tmp_path)) == []
        assert case.says in told
    else:
        assert all(name.startswith("case/out") for name in changes(before, snapshot(tmp_path)))
    assert list((tmp_path / "own" / "tmp").iterdir()) == []
    assert outcome.peak < MEMORY


def assert_short(outcome: Outcome) -> None:
    """At most a few lines, none of them too long, no control characters, no traceback."""
    assert "Traceback" not in outcome.stderr
    lines = outcome.stderr.strip().splitlines()
    assert len(lines) <= 4, lines[:10]
    assert all(len(line) <= 1000 for line in lines), [line[:200] for line in lines]
    for text in (outcome.stdout, outcome.stderr):
        assert [each for each in text if not each.isprintable() and each != "\n"] == []


def snapshot(folder: Path) -> dict[str, str]:
    """Every file, link and folder below ``folder`` but the command's own places, and what it is."""
    found = {}
    waiting = [place for place in folder.iterdir() if place.name != "own"]
    while waiting:  # os.walk of Python 3.11 recurses, and some of the folders are deep
        place = waiting.pop()
        mode = place.lstat().st_mode
        what = str(place.readlink()) if stat.S_ISLNK(mode) else ""
        if stat.S_ISREG(mode):
            what = place.read_bytes().hex()[:1000]
        elif stat.S_ISDIR(mode):
            waiting += place.iterdir()
        found[str(place.relative_to(folder))] = f"{mode:o} {what}"
    return found


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """The names that were added, changed or removed; an empty folder for output may be left."""
    both = before.keys() | after.keys()
    return sorted(
        name for name in both if before.get(name) != after.get(name) and name != "case/out"
    )
