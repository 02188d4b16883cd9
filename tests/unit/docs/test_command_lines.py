"""Every `bundle` command line in the docs names commands and options that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from bundler.cli.app import app

ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    *sorted(page for page in (ROOT / "docs").rglob("*.md") if page.name != "commands.md"),
    *sorted((ROOT / "examples").glob("*/README.md")),
    *sorted((ROOT / "build_images").rglob("*.md")),
    *sorted((ROOT / "bundler").rglob("*.md.txt")),
]
BUNDLE = typer.main.get_command(app)


def command_lines(page: Path) -> list[list[str]]:
    """The words after `bundle`, of each command in a code block or between backticks."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"(?m)^(?:    |\t).*$|^(?!\||```).*$", text))
    blocks = blocks.replace("\\\n", " ")
    lines = re.findall(r"(?m)^\s*(?:\$ )?(?:\.venv/bin/)?bundle ([a-z].*)$", blocks)
    inline = re.findall(r"`bundle ([a-z][^`]*)`", text)
    return [shlex.split(line, comments=True) for line in [*lines, *inline] if "…" not in line]


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that ``words`` start with, and the words after its name."""
    command = BUNDLE
    while words and (inner := subcommand(command, words[0])):
        command, words = inner, words[1:]
    return command, words


def subcommand(command: Any, name: str) -> Any:
    """The command ``name`` of a group; None if there is none, or ``command`` is not a group."""
    if not hasattr(command, "get_command"):
        return None
    return command.get_command(command.make_context("bundle", [], resilient_parsing=True), name)


def unknown_in(words: list[str]) -> list[str]:
    """What of a command line does not exist: its command, or options."""
    for end in ("--", "&&"):
        words = words[: words.index(end)] if end in words else words
    command, rest = command_of(words)
    if command is BUNDLE or (hasattr(command, "get_command") and rest):
        return [" ".join(words)]
    known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    given = [word.partition("=")[0] for word in rest if re.match(r"--?[a-zA-Z]", word)]
    return [option for option in given if option not in known]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_names_what_exists(page: Path) -> None:
    wrong = {" ".join(words): unknown_in(words) for words in command_lines(page)}

    assert not {line: unknown for line, unknown in wrong.items() if unknown}


def test_what_does_not_exist_is_noticed() -> None:
    assert unknown_in(["venv", "--pyhton", "3.11"]) == ["--pyhton"]
    assert unknown_in(["plugin", "begin"]) == ["plugin begin"]
    assert unknown_in(["vnev"]) == ["vnev"]
    assert len([words for page in PAGES for words in command_lines(page)]) > 60
