"""The coverage-guided fuzzers, a moment each; `make fuzz` runs them for ten minutes each."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="atheris has no wheel for this Python")

from tests.fuzz.__main__ import fuzz
from tests.fuzz.targets import TARGETS

SECONDS = 2


@pytest.mark.parametrize("name", TARGETS)
def test_a_moment(name: str, tmp_path: Path) -> None:
    report = fuzz(name, SECONDS, tmp_path)
    assert report["found"] == {}
    assert report["inputs"]
    assert report["values"], "no input got behind the first check"
