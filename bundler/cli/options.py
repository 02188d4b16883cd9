"""The words that several commands share."""

from __future__ import annotations

import functools
import inspect
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from bundler.cli.report import Report
from bundler.errors import BundlerError
from bundler.support.files import unforeseen
from bundler.support.process import overdue

Command = TypeVar("Command", bound=Callable[..., Any])

Flink = Annotated[
    str | None,
    typer.Option(help="Flink release, such as 2.2.1."),
]
Python = Annotated[
    str | None,
    typer.Option(help="Python version, such as 3.11 or 3.7.16."),
]
Platform = Annotated[
    str | None,
    typer.Option(help="pip's platform tag, such as manylinux2014_x86_64."),
]
ProjectPath = Annotated[
    Path,
    typer.Option(
        "--project",
        help="Folder of bundle.toml or pyproject.toml, or such a file.",
        exists=True,
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Use only what is in the cache.")]
NoCheck = Annotated[
    bool, typer.Option("--no-check", help="Do not unpack the archive and import what is in it.")
]
Slim = Annotated[
    list[str] | None,
    typer.Option(help="Slimming rule to apply, instead of the default ones; `all` for all."),
]
NoSlim = Annotated[bool, typer.Option("--no-slim", help="Keep every file.")]
BuilderKind = Annotated[
    str | None,
    typer.Option("--builder", help="Where sources are built: auto, container or local."),
]
Image = Annotated[
    str | None,
    typer.Option(help="Container image to build in."),
]


def reporting(command: Command) -> Command:
    """Give a command ``--quiet`` and ``--json``, and its errors their exit codes.

    The command gets a `Report` as its first argument.
    """

    @functools.wraps(command)
    def wrapped(*args: Any, quiet: bool = False, json: bool = False, **kwargs: Any) -> None:
        report = Report(json=json, quiet=quiet)
        try:
            command(report, *args, **kwargs)
        except (BundlerError, OSError, subprocess.TimeoutExpired) as error:
            if isinstance(error, BrokenPipeError):
                raise
            told = _told(error)
            report.error(told)
            raise typer.Exit(told.exit_code) from error
        except KeyboardInterrupt as error:
            raise typer.Exit(130) from error

    signature = inspect.signature(command, eval_str=True)
    own = list(signature.parameters.values())[1:]
    added = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[bool, typer.Option(*flags, help=text)],
        )
        for name, flags, text in (
            ("quiet", ("--quiet", "-q"), "Say nothing but warnings and errors."),
            ("json", ("--json",), "Print the result as one JSON document."),
        )
    ]
    wrapped.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    wrapped.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *added]}
    return wrapped  # type: ignore[return-value]


def _told(error: BundlerError | OSError | subprocess.TimeoutExpired) -> BundlerError:
    if isinstance(error, BundlerError):
        return error
    return unforeseen(error) if isinstance(error, OSError) else overdue(error)


def slim_rules(chosen: list[str] | None, *, none: bool) -> tuple[str, ...] | None:
    """The rules that the flags ask for; None if they do not say."""
    if none:
        return ()
    if chosen is None:
        return None
    from bundler.slim.rules import RULES

    return tuple(RULES) if chosen == ["all"] else tuple(chosen)


def absolute(paths: list[Path] | None) -> tuple[Path, ...] | None:
    """Paths of the command line, which are relative to the working folder."""
    return tuple(path.absolute() for path in paths) if paths else None
