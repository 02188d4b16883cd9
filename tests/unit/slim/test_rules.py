from __future__ import annotations

import csv
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

from bundler.archive.content import whole
from bundler.archive.entry import Entry
from bundler.archive.merge import merge
from bundler.archive.wheel import prefix_layout, target_layout, wheel_entries
from bundler.elf.info import read_elf_file
from bundler.elf.strip import strip
from bundler.errors import UsageError
from bundler.slim.rules import DEFAULT_RULES, RULES, slim
from bundler.support.cache import Cache
from tests.support.making_wheels import hash_of, shared_library, wheel

VENV = prefix_layout("venv", "lib/python3.11/site-packages", "bin/python3.11", "3.11")


def left_by(
    rules: tuple[str, ...] | list[str], tmp_path: Path, files: Mapping[str, str | bytes]
) -> set[str]:
    """Which of ``files`` are left, after it was seen that RECORD lists just what is."""
    names: set[str] = set()
    for layout, site in ((target_layout(), ""), (VENV, VENV.site_packages)):
        entries = slim(wheel_entries(wheel(tmp_path, files), layout), rules)
        names = {entry.name.removeprefix(site) for entry in entries}
        assert recorded(entries, site) == {entry.name for entry in entries}
    return names & set(files)


def recorded(entries: list[Entry], site: str) -> set[str]:
    (record,) = (entry for entry in entries if entry.name.endswith("/RECORD"))
    rows = csv.reader(whole(record.content).decode().splitlines())
    return {site + row[0] for row in rows}


def test_tests_go_when_nothing_mentions_them(tmp_path: Path) -> None:
    files = {
        "demo/__init__.py": "from . import testing\n",
        "demo/testing/__init__.py": "# not a tests folder\n",
        "demo/tests/__init__.py": "",
        "demo/tests/test_a.py": "from demo.sub.tests import data\n",
        "demo/sub/test/data/x.bin": "x",
        "demo/latest/x.py": "",
        "tests/__init__.py": "",
        "demo/conftest.py": "from demo.tests import x\n",
    }
    assert left_by(["tests"], tmp_path, files) == {
        "demo/__init__.py",
        "demo/testing/__init__.py",
        "demo/latest/x.py",
        "tests/__init__.py",
        "demo/conftest.py",
    }


@pytest.mark.parametrize(
    "line",
    [
        "from demo.core.tests._shared import NA",
        "import demo.core.tests",
        "    import os, demo.core.tests as t",
        "from ..core.tests import _shared",
        "from ..core import (\n    a,\n    tests,\n)",
        "from ..core import a, \\\n    tests",
        "name = 'demo.core.tests._shared'",
    ],
)
def test_tests_stay_when_a_module_mentions_them(tmp_path: Path, line: str) -> None:
    files = {
        "demo/__init__.py": "",
        "demo/util/needs.py": f"{line}\n",
        "demo/core/tests/_shared.py": "NA = None\n",
        "demo/util/tests/test_needs.py": "",
    }
    assert left_by(["tests"], tmp_path, files) == set(files) - {"demo/util/tests/test_needs.py"}


def test_what_was_found_about_tests_is_kept_by_content(tmp_path: Path) -> None:
    cache = Cache(tmp_path / "cache")
    for line, stays in (("", False), ("import demo.tests", True), ("", False)):
        files = {"demo/__init__.py": f"{line}\n", "demo/tests/x.py": ""}
        entries = slim(wheel_entries(wheel(tmp_path, files), target_layout()), cache=cache)
        assert ("demo/tests/x.py" in {entry.name for entry in entries}) is stays


def test_the_other_rules(tmp_path: Path) -> None:
    files = {
        "pyflink/__init__.py": "",
        "pyflink/__pycache__/__init__.cpython-311.pyc": b"x",
        "pyflink/only.pyc": b"x",
        "pyflink/bin/pyflink-udf-runner.sh": "",
        "pyflink/lib/flink-dist.jar": b"x",
        "pyflink/opt/flink-python.jar": b"x",
        "pyarrow/libarrow.so.1601": b"x",
        "pyarrow/libarrow_flight.so.1601": b"x",
        "pyarrow/libarrow_python_flight.so": b"x",
        "pyarrow/_flight.cpython-311-x86_64-linux-gnu.so": b"x",
        "pyarrow/substrait.py": "",
        "pyarrow/include/arrow/api.h": "",
        "pyarrow/lib.pyx": "",
        "apache_beam/pipeline_test.py": "",
        "numpy/lib/libnpymath.a": b"x",
    }
    plain = {
        "pyflink/__init__.py",
        "pyflink/only.pyc",
        "pyflink/bin/pyflink-udf-runner.sh",
        "pyarrow/libarrow.so.1601",
    }
    assert left_by(tuple(RULES), tmp_path, files) == plain
    assert left_by(DEFAULT_RULES, tmp_path, files) == plain | {
        name for name in files if name.startswith(("pyarrow", "numpy", "apache_beam"))
    }
    assert left_by((), tmp_path, files) == set(files)
    assert set(DEFAULT_RULES) < set(RULES)


def test_an_arrow_library_stays_if_another_is_linked_with_it(tmp_path: Path) -> None:
    files = {
        "pyarrow/lib.so": b"\0libarrow_python.so.2000\0",
        "pyarrow/libarrow_python.so.2000": b"\0libarrow_substrait.so.2000\0",
        "pyarrow/libarrow_substrait.so.2000": b"\0libarrow_substrait.so.2000\0",
        "pyarrow/_flight.so": b"\0libarrow_flight.so.2000\0",
        "pyarrow/libarrow_flight.so.2000": b"",
    }
    assert left_by(["arrow-services"], tmp_path, files) == {
        "pyarrow/lib.so",
        "pyarrow/libarrow_python.so.2000",
        "pyarrow/libarrow_substrait.so.2000",
    }


def test_a_rule_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Unknown slimming rule 'nonsense'"):
        slim([], ["nonsense"])


def test_symbols_go_and_record_has_the_new_hash(tmp_path: Path) -> None:
    library = shared_library()
    made = wheel(tmp_path, {"demo/_native.so": library, "demo/data.so": b"no library"})
    entries = merge([wheel_entries(made, VENV)])
    cache = Cache(tmp_path / "cache")
    first, second = (slim(entries, ["symbols"], cache=cache) for _ in range(2))
    assert first == second
    by_name = {entry.name: entry for entry in first}
    stripped = whole(by_name[f"{VENV.site_packages}demo/_native.so"].content)
    assert len(stripped) < len(library)
    assert b"TEXT" in stripped
    assert b"COMMENT!" in stripped
    assert not any(part in stripped for part in (b"SYMBSYMB", b"NAMENAME", b"DEBGDEBG"))
    assert whole(by_name[f"{VENV.site_packages}demo/data.so"].content) == b"no library"
    record = whole(by_name[f"{VENV.site_packages}demo-1.0.dist-info/RECORD"].content).decode()
    assert f"demo/_native.so,{hash_of(stripped)},{len(stripped)}\n" in record


def test_a_damaged_stripped_library_is_made_again(tmp_path: Path) -> None:
    made = wheel(tmp_path, {"demo/_native.so": shared_library()})
    entries = wheel_entries(made, target_layout())
    cache = Cache(tmp_path / "cache")
    first = slim(entries, ["symbols"], cache=cache)
    (kept,) = cache.root.rglob("library.zip")
    sound = kept.read_bytes()
    kept.write_bytes(sound[:-1] + b"x")
    assert slim(entries, ["symbols"], cache=cache) == first
    assert kept.read_bytes() == sound


def test_a_real_library_still_loads_without_its_symbols(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    source, built, out = (tmp_path / name for name in ("demo.c", "demo_before.so", "demo.so"))
    source.write_text(
        "#include <Python.h>\nstatic int answer(void) { return 42; }\n"
        'static PyModuleDef module = {PyModuleDef_HEAD_INIT, "demo"};\n'
        "PyMODINIT_FUNC PyInit_demo(void) { PyObject *m = PyModule_Create(&module);\n"
        '  PyModule_AddIntConstant(m, "answer", answer()); return m; }\n'
    )
    include = sysconfig.get_path("include")
    subprocess.run(
        [compiler, "-g", "-shared", "-fPIC", f"-I{include}", source, "-o", built], check=True
    )
    assert strip(built, out, symbols=True)
    assert out.stat().st_size < built.stat().st_size
    assert read_elf_file(out) == read_elf_file(built)
    import importlib.util

    spec = importlib.util.spec_from_file_location("demo", out)
    assert spec is not None
    assert importlib.util.module_from_spec(spec).answer == 42


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"\x7fELF\2\1" + b"\xff" * 200, b"MZ" * 100])
def test_what_is_no_library_is_left_alone(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "file.so"
    path.write_bytes(data)
    assert not strip(path, tmp_path / "out.so", symbols=True)
    assert not (tmp_path / "out.so").exists()
