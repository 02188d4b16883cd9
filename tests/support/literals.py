"""The texts in a program's code: its string literals, f-strings with a … for each value."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path


def string_literals(folder: Path) -> Iterator[tuple[str, str]]:
    """Each string literal below ``folder``, and where it is (``file:line``); docstrings too."""
    for file in sorted(folder.rglob("*.py")):
        for node, text in _texts(ast.parse(file.read_text(encoding="utf-8"))):
            yield text, f"{file.relative_to(folder.parent)}:{node.lineno}"


def _texts(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node, node.value
        elif isinstance(node, ast.JoinedStr):
            yield node, "".join(map(_part, node.values))
            for value in node.values:
                yield from _texts(value) if isinstance(value, ast.FormattedValue) else ()
        else:
            yield from _texts(node)


def _part(value: ast.expr) -> str:
    return str(value.value) if isinstance(value, ast.Constant) else "…"
