"""docs/explanation/architecture.md: its list of modules is what the tree and pyproject say."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "architecture.md"
BEGIN, END = "<!-- modules: generated -->\n", "<!-- end of modules -->\n"


def architecture_page() -> str:
    """The page with its list of modules renewed; what a person wrote around it stays."""
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + "\n" + "\n".join(_lists()) + "\n" + END + after


def _lists() -> Iterator[str]:
    for contract, package in (("rooms", "bundler"), ("plugins", "jobs/flink_plugins")):
        for layer in _layers(contract):
            yield from _room(ROOT / package / layer, f"{package}/{layer}")


def _layers(contract: str) -> list[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    return next(each["layers"] for each in contracts if each["id"] == contract)


def _room(path: Path, title: str) -> Iterator[str]:
    """A heading and a table; a module that is a room of its own is a paragraph."""
    module = path.with_suffix(".py")
    if module.exists():
        yield from (f"### `{title}.py`", "", _line(module), "")
        return
    yield from (f"### `{title}/`", "", _line(path / "__init__.py"), "")
    yield from ("| module | what it is for |", "| --- | --- |")
    for file in sorted(path.rglob("*.py"), key=lambda file: (len(file.parts), file)):
        name = file.relative_to(path).as_posix()
        if _written(file, path) and (line := _line(file)):
            yield f"| `{name}` | {line} |"
    yield ""


def _written(file: Path, room: Path) -> bool:
    """Neither a room's own ``__init__`` nor part of a template or a build."""
    inner = file.relative_to(room).as_posix()
    return inner != "__init__.py" and "template" not in inner and "build/" not in inner


def _line(module: Path) -> str:
    """The first sentence of a module's docstring, on one line, safe in a table."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    first = " ".join(text.split("\n\n")[0].split())
    return first.replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(architecture_page(), encoding="utf-8")
