"""Whole builds from the real index: other lines of Flink, and the same bytes twice."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import pytest

from bundler.releases import FLINK_LINES
from bundler.support.interpreters import find_host
from bundler.target import Target

pytestmark = pytest.mark.network

LIMIT = 130e6


def python_for(flink: str) -> str:
    """The newest Python with a wheel of this release that is on this machine."""
    line = FLINK_LINES[flink.rpartition(".")[0]]
    for minor in reversed(line.pythons):
        if find_host(Target.parse(flink=flink, python=minor)) is not None:
            return minor
    pytest.skip(f"none of Python {', '.join(line.pythons)} is on this machine")


def built(bundle_command, folder: Path, flink: str, *words: str, **env: str) -> dict:
    finished = bundle_command(
        "venv", "--flink", flink, "--python", python_for(flink), "--json", *words,
        cwd=folder, env=env,
    )  # fmt: skip
    [row] = json.loads(finished.stdout)["archives"]
    return row


@pytest.mark.parametrize("flink", ["1.20.5", "2.3.0"])
def test_every_module_of_the_venv_imports(bundle_command, tmp_path, flink):
    # Without --no-check the command fails if a module of any distribution does not import.
    row = built(bundle_command, tmp_path, flink)
    assert row["packages"]["apache-flink"] == flink
    assert "apache-flink-libraries" not in row["packages"]
    assert row["size"] < LIMIT


def test_stronger_rules_halve_it_and_it_still_imports(bundle_command, tmp_path):
    row = built(bundle_command, tmp_path, "2.2.1", "--slim", "all")
    assert row["size"] < 80e6


def test_two_folders_and_two_caches_give_one_sha256(bundle_command, tmp_path):
    rows = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        env = {"BUNDLE_CACHE": str(tmp_path / "cache")} if name == "two" else {}
        rows.append(built(bundle_command, tmp_path / name, "2.2.1", "--no-check", **env))
    assert rows[0]["sha256"] == rows[1]["sha256"]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x86_64 is the other machine here")
def test_deps_for_another_architecture(bundle_command, tmp_path):
    (tmp_path / "requirements.txt").write_text("numpy\n")
    finished = bundle_command(
        "deps", "-r", "requirements.txt", "--python", "3.11", "--json",
        "--platform", "manylinux_2_28_aarch64", cwd=tmp_path,
    )  # fmt: skip
    assert list(json.loads(finished.stdout)["archives"][0]["packages"]) == ["numpy"]
