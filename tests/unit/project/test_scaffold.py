from __future__ import annotations

import ast
from pathlib import Path

import pytest

from bundler.errors import UsageError
from bundler.project.scaffold import begin
from bundler.project.tables import find_project
from bundler.target import Target

TARGET = Target.parse(flink="1.20.5", python="3.10", platform="manylinux_2_28_aarch64")


def test_a_new_project_is_for_its_target_and_names_files_that_are_there(tmp_path: Path) -> None:
    written = begin(tmp_path / "new", TARGET)

    assert sorted(path.name for path in written) == ["bundle.toml", "job.py", "requirements.txt"]
    project = find_project(tmp_path / "new", required=True)
    assert Target.parse(**project.tables.target.model_dump()) == TARGET
    assert project.tables.deps is not None and project.tables.job.script is not None
    for path in (*project.tables.deps.requirements, project.tables.job.script):
        assert project.path(path) in written
    ast.parse((tmp_path / "new" / "job.py").read_text())
    assert not any("@" in path.read_text().replace("@udf", "") for path in written)


def test_nothing_is_written_over_a_file(tmp_path: Path) -> None:
    (tmp_path / "job.py").write_text("mine")

    with pytest.raises(UsageError, match=r"job\.py exists"):
        begin(tmp_path, TARGET)

    assert [path.name for path in tmp_path.iterdir()] == ["job.py"]
