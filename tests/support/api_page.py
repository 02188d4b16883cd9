"""docs/reference/api.md: the public API as its docstrings say it."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bundler

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "api.md"


def api_page() -> str:
    """The whole page: functions in the order of the module, then values, then errors."""
    members = {name: getattr(bundler, name) for name in bundler.__all__}
    functions = [name for name in vars(bundler) if inspect.isfunction(members.get(name))]
    errors = [name for name in members if _is_error(members[name])]
    values = [name for name in members if name not in functions and name not in errors]
    lines = ["# The API", "", _prose(bundler), "", "## Functions", ""]
    for name in functions:
        lines += [f"### `{name}`", "", *_code(_signature(name, members[name]))]
        lines += [_prose(members[name]), ""]
    lines += ["## Values", ""]
    for name in values:
        lines += [f"### `{name}`", "", _prose(members[name]), "", *_members(members[name])]
    lines += ["## Errors", ""]
    for name in sorted(errors, key=lambda name: members[name].exit_code):
        code = f"Exit code of the command: {members[name].exit_code}."
        lines += [f"### `{name}`", "", _prose(members[name]), "", code, ""]
    return "\n".join(lines).rstrip() + "\n"


def _is_error(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, bundler.BundlerError)


def _signature(name: str, function: Any) -> str:
    signature = inspect.signature(function)
    star = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY][:1]
    lines = []
    for parameter in signature.parameters.values():
        lines += ["    *,"] if parameter in star else []
        default = "" if parameter.default is parameter.empty else f" = {_default(parameter)}"
        lines.append(f"    {parameter.name}: {parameter.annotation}{default},")
    return "\n".join([f"{name}(", *lines, f") -> {signature.return_annotation}"])


def _default(parameter: inspect.Parameter) -> str:
    return "..." if callable(parameter.default) else repr(parameter.default)


def _code(text: str, language: str = "python") -> list[str]:
    return [f"```{language}", text, "```", ""]


def _members(kind: Any) -> Iterator[str]:
    """A table of what a value has: its fields, then its methods and properties."""
    rows = []
    if dataclasses.is_dataclass(kind):
        rows += [(field.name, f"`{field.type}`") for field in dataclasses.fields(kind)]
    for name, member in vars(kind).items():
        function = getattr(member, "__func__", getattr(member, "fget", member))
        if not name.startswith("_") and inspect.isfunction(function):
            call = "" if isinstance(member, property) else "()"
            rows.append((f"{name}{call}", _first_paragraph(function)))
    if rows:
        yield from ("| member | what it is |", "| --- | --- |")
        yield from (f"| `{name}` | {_cell(text)} |" for name, text in rows)
        yield ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _first_paragraph(value: Any) -> str:
    return " ".join(_prose(value).split("\n\n")[0].split())


def _prose(value: Any) -> str:
    """A docstring as Markdown: one kind of backticks, its example as a block of code."""
    text = inspect.getdoc(value) or ""
    text, _, example = text.partition("\nExample:\n")
    text = re.sub(r"``(.+?)``", r"`\1`", text)
    text = re.sub(
        r"::\n\n((?:    .*\n|\n)+)",
        lambda found: ":\n\n" + "\n".join([*_code(inspect.cleandoc(found[1])), ""]),
        text,
    )
    if example:
        code = re.sub(r"  # doctest: \+SKIP$", "", inspect.cleandoc(example), flags=re.MULTILINE)
        text += "\n" + "\n".join(_code(code, "pycon"))
    return text.rstrip()


if __name__ == "__main__":
    PAGE.write_text(api_page(), encoding="utf-8")
