"""What the source of a plugin's package exports, read without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from bundler.errors import UsageError

LONGEST_SOURCE = 1 << 20
_METHODS = (("sink", "collect"), ("function", "exec"), ("source", "open"))


def read_exports(source: str, shown: str) -> tuple[list[str], str]:
    """The names in ``__all__`` of a package's ``__init__.py``, and its ``version`` ("" if none).

    Raises UsageError as `classes` does.
    """
    names: list[str] = []
    version = ""
    for node in _parsed(source, shown).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        if node.targets[0].id == "__all__":
            names = list(_texts(getattr(node.value, "elts", ())))
        elif node.targets[0].id == "version":
            version = next(_texts([node.value]), "")
    return names, version


def _texts(nodes: Iterable[ast.expr]) -> Iterator[str]:
    for node in nodes:
        text = node.value if isinstance(node, ast.Constant) else None
        if isinstance(text, str) and text.isprintable() and len(text) <= 255:
            yield text


def classes(source: str, shown: str) -> dict[str, str]:
    """The classes with a plugin's methods and their kinds ("source", "sink", "function").

    Code that this Python does not understand has none. Raises UsageError for code that is nested
    too deep to be parsed, with ``shown`` as its place.
    """
    kinds = {}
    for node in ast.walk(_parsed(source, shown)):
        if isinstance(node, ast.ClassDef):
            methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
            kind = next((kind for kind, method in _METHODS if method in methods), None)
            if kind is not None:
                kinds[node.name] = kind
    return kinds


def _parsed(source: str, shown: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return ast.Module([], [])
    except (RecursionError, MemoryError) as error:
        raise UsageError(
            f"{shown} is nested too deep to be parsed.",
            "Expected the Python source of a plugin.",
            "Remove the file, or give the path of another plugin.",
        ) from error
