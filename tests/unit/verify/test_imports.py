from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bundler.archive.entry import Inline, text_entry
from bundler.archive.merge import merge
from bundler.archive.wheel import prefix_layout, target_layout, wheel_entries
from bundler.archive.writer import write_archive
from bundler.errors import UsageError, VerificationError
from bundler.verify.imports import check_archives, check_imports, top_level_modules
from tests.support.making_wheels import wheel

PYTHON = Path(sys.executable)


def deps_of(folder: Path, files: dict[str, str], name: str = "demo") -> Path:
    entries = wheel_entries(wheel(folder, files, name), target_layout())
    return write_archive(entries, folder / f"{name}.zip").path


def test_modules_are_those_that_record_lists(tmp_path: Path) -> None:
    files = {
        "demo/__init__.py": "",
        "demo/sub/x.py": "",
        "single.py": "",
        "native.cpython-311-x86_64-linux-gnu.so": "",
        "stable.abi3.so": "",
        "pemja_core.cpython-37m-x86_64-linux-gnu.so": "",
        "google/cloud/thing/__init__.py": "",
        "google/cloud/thing/inner.py": "",
        "google/part.py": "",
        "demo.libs/libx-1.so.5": "",
        "81d2__mypyc.cpython-311-x86_64-linux-gnu.so": "",
        "tests/test_it.py": "",
        "setup.py": "",
        "data/readme.txt": "",
        "demo-1.0.data/scripts/tool.py": "#!python\n",
    }
    path = wheel(tmp_path, files)
    expected = ("demo", "google.cloud.thing", "google.part", "native", "single", "stable")
    venv = prefix_layout("venv", "lib/python3.11/site-packages", "bin/python3.11", "3.11")
    for layout in (target_layout(), venv):
        assert top_level_modules(wheel_entries(path, layout)) == {"demo": expected}


def test_all_is_well(tmp_path: Path) -> None:
    report = check_archives(None, [deps_of(tmp_path, {"demo/__init__.py": "A = 1\n"})], PYTHON)
    assert not report.failures
    assert report.modules == 1


def test_a_module_that_fails_is_named_with_its_reason(tmp_path: Path) -> None:
    files = {"good.py": "", "bad.py": "import nowhere_to_be_found\n", "exits.py": "exit(3)\n"}
    report = check_archives(None, [deps_of(tmp_path, files)], PYTHON)
    failures = {failure.module: failure for failure in report.failures}
    assert sorted(failures) == ["bad", "exits"]
    assert failures["bad"].distribution == "demo"
    assert "No module named 'nowhere_to_be_found'" in failures["bad"].error
    assert "SystemExit: 3" in failures["exits"].error


def test_more_modules_than_an_argument_can_name(tmp_path: Path) -> None:
    names = [f"a_module_with_quite_a_long_name_of_its_own_{number}" for number in range(3000)]
    for name in names:
        (tmp_path / f"{name}.py").touch()
    report = check_imports(PYTHON, {"many": names}, [tmp_path])
    assert (report.modules, report.failures) == (3000, ())


def test_a_crash_is_isolated_and_the_rest_is_imported(tmp_path: Path) -> None:
    files = {
        "a_crash.py": "import ctypes\nctypes.string_at(0)\n",
        "b_bad.py": "raise ValueError('after the crash')\n",
        "c_good.py": "",
    }
    report = check_archives(None, [deps_of(tmp_path, files)], PYTHON)
    first, second = report.failures
    assert first.module == "a_crash"
    assert "SIGSEGV" in first.error
    assert "a_crash.py" in first.error
    assert "after the crash" in second.error


def test_a_module_that_never_ends(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text("while True: pass\n")
    report = check_imports(PYTHON, {"demo": ["endless", "json"]}, [tmp_path], timeout=1)
    assert [failure.module for failure in report.failures] == ["endless"]
    assert "did not end within 1 seconds" in report.failures[0].error


def test_deps_come_before_what_the_python_has_and_its_environment_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "only_here.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(hidden))
    files = {"packaging/__init__.py": "assert 0, 'ours'\n", "uses.py": "import only_here\n"}
    report = check_archives(None, [deps_of(tmp_path, files)], PYTHON)
    assert [failure.module for failure in report.failures] == ["packaging", "uses"]
    assert "ours" in report.failures[0].error


def test_the_python_of_the_venv_is_used(tmp_path: Path) -> None:
    layout = prefix_layout("venv", "lib/python3.11/site-packages", "bin/python3.11", "3.11")
    site = '"$(dirname "$0")/../lib/python3.11/site-packages"'
    # Without the -I that comes first, which would hide the folder.
    launcher = f'#!/bin/sh\nshift\nPYTHONPATH={site} exec "{PYTHON}" "$@"\n'
    entries = merge(
        [
            wheel_entries(wheel(tmp_path, {"inside.py": ""}, "inside"), layout),
            [
                text_entry("venv/bin/python3.11", launcher, executable=True),
                text_entry("venv/bin/python", "", executable=True),
            ],
        ]
    )
    venv = write_archive(entries, tmp_path / "venv.zip").path
    report = check_archives(venv, [deps_of(tmp_path, {"demo.py": "import inside\n"})])
    assert report.modules == 2


def test_a_python_that_does_not_start_here(tmp_path: Path) -> None:
    layout = prefix_layout("venv", "lib/python3.11/site-packages", "bin/python3.11", "3.11")
    entries = wheel_entries(wheel(tmp_path, {"inside.py": ""}), layout)
    foreign = Inline(b"\x7fELF\2\1\1" + bytes(100))
    python = text_entry("venv/bin/python3.11", "", executable=True)
    archive = write_archive(
        [*entries, type(python)(python.name, python.mode, foreign)], tmp_path / "venv.zip"
    )
    with pytest.raises(VerificationError, match=r"python3\.11 does not start here"):
        check_archives(archive.path)


def test_no_python_at_all(tmp_path: Path) -> None:
    deps = deps_of(tmp_path, {"demo.py": ""})
    with pytest.raises(UsageError, match="no Python to import"):
        check_archives(None, [deps])
    with pytest.raises(UsageError, match=r"has no bin/python3\.N"):
        check_archives(deps)
