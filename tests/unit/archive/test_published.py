"""What pip, uv and installer refuse is refused here; what is rare but right is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundler.archive.wheel import target_layout, wheel_entries
from bundler.archive.wheel_rules import check_wheel
from bundler.errors import BundlerError
from tests.support.hostile import WHEEL_NAME
from tests.support.published_cases import Published, published


@pytest.mark.parametrize("case", published(), ids=str)
def test_no_looser_than_pip_and_uv(case: Published, tmp_path: Path) -> None:
    wheel = tmp_path / WHEEL_NAME
    wheel.write_bytes(case.wheel)
    if verdict(wheel) == "installs":
        assert (case.pip, case.uv) == ("installs", "installs")
    else:
        assert case.name not in SOUND
    assert row(case, verdict(wheel)) in PAGE.read_text(encoding="utf-8").splitlines()


def row(case: Published, here: str) -> str:
    """The case as the page about security has it."""
    name = case.name.replace("_", " ")
    return f"| {name} | {case.source} | {case.pip} | {case.uv} | {here} |"


PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "security.md"

SOUND = {"comment", "data_descriptor", "store", "subdir", "zip64_eocd", "wheel_version_1.9"}
"""Rare, but right."""


def verdict(wheel: Path) -> str:
    try:
        check_wheel(wheel)
        wheel_entries(wheel, target_layout())
    except BundlerError:
        return "refuses"
    return "installs"
