from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import tomli_w

from bundler.errors import UsageError
from bundler.project.tables import find_project

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

GOOD = """
[target]
flink = "2.2.1"
[venv]
keep-jars = true
[data.models]
paths = ["models"]
[job]
script = "job.py"
[job.configuration]
"python.fn-execution.bundle.size" = 10
"""


def test_both_files_hold_the_same_tables(tmp_path: Path) -> None:
    shared_text = tomli_w.dumps({"tool": {"bundle": tomllib.loads(GOOD)}})
    (tmp_path / "pyproject.toml").write_text(shared_text)
    shared = find_project(tmp_path)
    own = tmp_path / "bundle.toml"
    own.write_text(GOOD)
    assert find_project(tmp_path).file == own
    assert find_project(tmp_path).tables == shared.tables
    assert find_project(own).tables.venv is not None
    assert find_project(own).paths(find_project(own).tables.data["models"].paths) == [
        tmp_path / "models"
    ]


@pytest.mark.parametrize(
    ("text", "found", "expected"),
    [
        ("[venv]\nkeepjars = true", "venv.keepjars", "keep-jars"),
        ("[vemv]\n", "vemv is not a known key", "venv"),
        ("[job]\nparallelism = 0", "job.parallelism is 0", "greater than or equal to 1"),
        ("[job]\nscript = [1]", "job.script is [1]", "a path in quotes"),
        ("[data.models]\n", "data.models.paths is missing", ""),
        ("[venv]\nbase = 'docker'", "venv.base is 'docker'", "'standalone'"),
        ("[data.models]\npaths = []", "data.models.paths", ""),
        (f"[data.{'x' * 300}]\npaths = ['a']", "is not a possible name", "letters, digits"),
        ("[data.'../x']\npaths = ['a']", "data.../x", "a letter or digit first"),
        ("[job.configuration]\na = [1]", "job.configuration.a is [1]", "text in quotes"),
        ("venv = 3", "venv is 3", "a table"),
        (
            "[data.deps]\npaths = ['a']",
            "data.deps is not a possible name",
            "deps.zip is the name of another archive",
        ),
        ("[target\n", "is not TOML", "TOML 1.0"),
        ("[job]\nparallelism = 99999", "job.parallelism is 99999", "less than or equal to 32768"),
        (f"[job]\nparallelism = {'9' * 5000}", "is not TOML", "TOML 1.0"),
        ("[job]\nmodule = '-c'", "job.module is '-c'", "the name of a module"),
        ('[job]\nscript = "a\\u0000b"', r"job.script is 'a\x00b'", "without control characters"),
        ('[job]\narguments = ["\\u001b[2J"]', r"job.arguments is ['\x1b[2J']", "control"),
        ('[job]\nfiles = ["a\\nb"]', r"job.files.0 is", "without line ends"),
        ('["a\\u001b"]', r"'a\x1b' is not a known key", "venv"),
        ('[job.configuration]\n"a: b\\nc" = 1', "is not a possible name", "a key of Flink"),
        ("[venv]\nbase = " + "[" * 90 + "]" * 90, "venv.base is", "'standalone'"),
        (f"a = {'[' * 5000}{']' * 5000}", "is nested too deeply", "tables and arrays"),
        (f"{'a.' * 50000}a = 1", "is nested too deeply", "tables and arrays"),
        ("[" + '"a" . ' * 50000 + "a]", "is nested too deeply", "tables and arrays"),
        ("a" * 1_000_000, "is not TOML", "TOML 1.0"),
        ("['" * 500_000, "is not TOML", "TOML 1.0"),
        ("# " + "x" * (2 << 20), "is larger than 1,048,576 bytes", "smaller"),
    ],
)
def test_errors_name_the_file_and_the_key(
    tmp_path: Path, text: str, found: str, expected: str
) -> None:
    file = tmp_path / "bundle.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        find_project(tmp_path)
    assert str(file) in caught.value.found
    assert caught.value.found.isprintable()
    assert len(str(caught.value)) < 800
    assert found in caught.value.found
    assert expected in caught.value.expected
    assert caught.value.remedy


def test_the_key_in_pyproject_is_named_in_full(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.bundle.job]\nscrip = 'x'\n")
    with pytest.raises(UsageError, match=r"tool\.bundle\.job\.scrip"):
        find_project(tmp_path)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tool = 3", None),
        ("[tool]\nbundle = 3", "tool.bundle is 3"),
        ("[tool]\nbundle = []", "tool.bundle is []"),
        ("[[tool]]\nbundle = {}", None),
    ],
)
def test_a_pyproject_of_another_shape(tmp_path: Path, text: str, found: str | None) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    if found is None:
        assert find_project(tmp_path).file is None
        return
    with pytest.raises(UsageError) as caught:
        find_project(tmp_path)
    assert found in caught.value.found


@pytest.mark.parametrize("name", ["bundle.toml", "pyproject.toml"])
def test_a_pipe_or_a_device_is_told_of_at_once(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(UsageError, match=f"{name} is a named pipe"):
        find_project(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=f"{name} is a device"):
        find_project(tmp_path)
    with pytest.raises(UsageError, match="/dev/zero is a device"):
        find_project(Path("/dev/zero"))
    (tmp_path / name).unlink()
    (tmp_path / name).symlink_to("gone")
    with pytest.raises(UsageError, match=f"{name} does not exist"):
        find_project(tmp_path)


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    (tmp_path / "bundle.toml").write_text(GOOD)
    project = find_project(tmp_path).overridden(
        target={"flink": "1.16.3", "python": None}, venv={"base": "host", "keep_jars": None}
    )
    assert project.tables.target.flink == "1.16.3"
    assert project.tables.venv is not None
    assert (project.tables.venv.base, project.tables.venv.keep_jars) == ("host", True)
    with pytest.raises(UsageError, match=r"the command line: venv\.base"):
        project.overridden(venv={"base": "docker"})


def test_a_folder_without_a_project(tmp_path: Path) -> None:
    assert find_project(tmp_path).file is None
    with pytest.raises(UsageError, match=r"has no bundle\.toml"):
        find_project(tmp_path, required=True)
