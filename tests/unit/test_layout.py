"""The house in its order: few modules on the ground floor, one name for one thing."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
LONGEST = 350


def modules(distribution: str) -> list[Path]:
    folder = ROOT / distribution
    return [path for path in sorted(folder.rglob("*.py")) if "template" not in path.parts]


def test_at_most_eight_modules_are_directly_in_bundler() -> None:
    assert len(list((ROOT / "bundler").glob("*.py"))) <= 8


def test_no_two_modules_of_one_name_mean_two_things() -> None:
    names = Counter(path.stem for path in modules("bundler") if path.stem not in ("__init__",))
    names.update(path.parent.name for path in modules("bundler") if path.stem == "__init__")
    assert {name: count for name, count in names.items() if count > 1} == {}


def test_no_folder_has_a_name_that_tools_take_for_output() -> None:
    folders = {path.name for path in (ROOT / "bundler").rglob("*") if path.is_dir()}
    assert not folders & {"build", "dist", "lib", "target", "out"}


def test_no_module_is_longer_than_a_reader_keeps_in_mind() -> None:
    # bundler/__init__.py is what users read: mostly docstrings.
    files = [*modules("bundler"), *modules("jobs/flink_plugins")]
    files.remove(ROOT / "bundler/__init__.py")
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in files
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_only_the_command_line_prints() -> None:
    # The process that solves for conda answers on its standard output; it has no user.
    speaking = {"bundler/__main__.py", "bundler/base/solver_worker.py"}
    printing = {
        str(path.relative_to(ROOT))
        for path in modules("bundler")
        if "cli" not in path.parts and str(path.relative_to(ROOT)) not in speaking
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert printing == set()
