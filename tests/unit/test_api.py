"""The public API: its examples run, its results are frozen, its types hold for a program."""

from __future__ import annotations

import dataclasses
import doctest
import importlib.metadata
import importlib.util
import inspect
import os
from pathlib import Path

import mypy.api
import pytest

import bundler
from tests.support.api_page import PAGE, api_page
from tests.support.serving import Index, make_wheel

ROOT = Path(__file__).parents[2]
FUNCTIONS = [name for name in bundler.__all__ if inspect.isfunction(getattr(bundler, name))]
PROGRAM = """
import bundler

def main(master: str) -> str:
    project = bundler.load_project("job")
    result: bundler.BuildResult = bundler.build(project, check=False)
    job = bundler.job_of(project, result.bundle)
    settings: dict[str, str] = bundler.configuration(job).settings
    try:
        finished = bundler.submit(job, master, timeout=60.0)
    except bundler.JobError as error:
        return error.remedy
    return f"{finished.state} {settings} {result.archives[0].archive.size + 1}"
"""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_examples_run(
    name: str, index: Index, clean_environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    make_wheel(index.folder, "humanize")
    make_wheel(index.folder, "leaf")
    clean_environment.setenv("PIP_INDEX_URL", f"{index.url}/simple")
    clean_environment.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    clean_environment.setenv("BUNDLE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "work").mkdir()
    clean_environment.chdir(tmp_path / "work")
    finder = doctest.DocTestFinder(recurse=False)
    [found] = finder.find(getattr(bundler, name), name, module=bundler, globs={})
    assert found.examples, "no example"
    result = doctest.DocTestRunner(optionflags=doctest.REPORT_ONLY_FIRST_FAILURE).run(found)
    assert result.failed == 0


def test_every_name_is_there_and_has_a_docstring() -> None:
    for name in bundler.__all__:
        assert inspect.getdoc(getattr(bundler, name)), name
        # Python puts a module that is imported over a function of its name.
        assert importlib.util.find_spec(f"bundler.{name}") is None
    with pytest.raises(AttributeError, match="no attribute 'bulid'"):
        bundler.bulid  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    assert bundler.__version__ == importlib.metadata.version("flink-bundler")


def test_results_are_frozen() -> None:
    for name in bundler.__all__:
        value = getattr(bundler, name)
        if dataclasses.is_dataclass(value):
            assert value.__dataclass_params__.frozen, name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("", ""), ""),
        (("check=False", "check='no'"), 'incompatible type "str"; expected "bool"'),
        (("result.bundle)", "result)"), 'incompatible type "BuildResult"; expected "Bundle"'),
        (("bundler.submit", "bundler.sumbit"), 'Module has no attribute "sumbit"'),
        (("finished.state", "finished.status"), '"JobResult" has no attribute "status"'),
    ],
    ids=["right", "flag", "value", "function", "attribute"],
)
def test_a_type_checker_sees_a_users_mistakes(
    change: tuple[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)  # whose cache of checked modules it uses
    monkeypatch.setenv("MYPYPATH", str(ROOT))
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.replace(*change) if change[0] else PROGRAM)
    out, err, status = mypy.api.run(["--strict", "--follow-imports=silent", str(program)])
    assert err == ""
    assert (status, said in out) == (int(bool(said)), True), out


def test_the_page_is_made_from_the_docstrings() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == api_page(), "run `make docs/reference/api.md`"
    for name in bundler.__all__:
        assert f"### `{name}" in text
    assert os.fspath(ROOT) not in text
