"""What several rooms say is said once, and says it in three parts."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from bundler.cli.app import app
from bundler.errors import (
    OPTIONS,
    BundlerError,
    FetchError,
    UsageError,
    missing_extra,
    not_cached,
    option,
    unknown,
)
from bundler.project.tables import Tables


def test_what_is_not_in_the_cache() -> None:
    error = not_cached("the clone of demo")
    assert isinstance(error, FetchError)
    assert str(error) == (
        "Not in the cache: the clone of demo.\n"
        "With --offline only the cache is read.\n"
        "Run once without --offline."
    )


def test_an_extra_that_is_missing_is_wrong_usage_and_says_how_to_install_it() -> None:
    try:
        import absent_package  # type: ignore[import-not-found]  # noqa: F401
    except ImportError as caught:
        error = missing_extra("conda", "A conda base", caught)
    assert error.exit_code == UsageError.exit_code
    assert str(error).splitlines() == [
        "A conda base needs the Python package absent_package, which is not installed.",
        "It comes with the extra 'conda' of flink-bundler.",
        "Run: pip install 'flink-bundler[conda]'",
    ]


def test_an_unknown_word_is_answered_with_the_known_ones() -> None:
    error = unknown("builder", "x", ("auto", "container", "local"), f"Change {option('builder')}.")
    assert str(error).splitlines() == [
        "Unknown builder 'x'.",
        "Choose from auto, container, local.",
        "Change --builder or build.builder.",
    ]


def test_an_option_is_called_as_on_the_command_line_and_in_bundle_toml() -> None:
    assert option("python") == "--python or target.python"
    assert option("base", "conda") == '--base conda or venv.base = "conda"'
    assert option("channels") == "venv.channels"
    assert option("channels", "x") == 'venv.channels = "x"'


@functools.cache
def flags() -> frozenset[str]:
    found: set[str] = set()

    def walk(command: Any) -> None:
        for parameter in command.params:
            found.update(parameter.opts)
        if hasattr(command, "list_commands"):
            context = typer.Context(command)
            for name in command.list_commands(context):
                walk(command.get_command(context, name))

    walk(typer.main.get_command(app))
    return frozenset(found)


@pytest.mark.parametrize("name", OPTIONS)
def test_each_option_exists(name: str) -> None:
    flag, key = OPTIONS[name]
    assert not flag or flag in flags()
    table: Any = Tables
    for part in key.split("."):
        field = table.model_fields[part.replace("-", "_")]
        models = [field.annotation, *getattr(field.annotation, "__args__", ())]
        table = next(
            (one for one in models if isinstance(one, type) and issubclass(one, BaseModel)), None
        )


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    import bundler.errors

    drawn = (bundler.errors.__doc__ or "").splitlines()
    for kind in (BundlerError, *_below(BundlerError)):
        if kind.__module__ == "bundler.errors":
            line = next(line for line in drawn if f"{kind.__name__} " in line)
            assert f" {kind.exit_code}" in line


def _below(kind: type[BundlerError]) -> list[type[BundlerError]]:
    return [found for inner in kind.__subclasses__() for found in (inner, *_below(inner))]
