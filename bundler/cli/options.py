"""The words that several commands share, and how they become values."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal

import typer

from bundler.errors import UsageError

BaseKind = Literal["auto", "standalone", "host", "manylinux", "conda"]
BuilderKind = Literal["auto", "container", "local"]

Flink = Annotated[
    str | None,
    typer.Option(metavar="VERSION", help="Flink release, such as 2.2.1."),
]
Python = Annotated[
    str | None,
    typer.Option(metavar="VERSION", help="Python version, such as 3.11 or 3.7.16."),
]
Platform = Annotated[
    str | None,
    typer.Option(metavar="TAG", help="pip's platform tag, such as manylinux2014_x86_64."),
]
ProjectPath = Annotated[
    Path,
    typer.Option(
        "--project",
        metavar="FOLDER",
        help="Project folder, or its bundle.toml or pyproject.toml.",
        exists=True,
    ),
]
Requirements = Annotated[
    list[Path] | None,
    typer.Option("--requirements", "-r", metavar="FILE", help="Requirements file (repeatable)."),
]
BaseChoice = Annotated[BaseKind | None, typer.Option("--base", help="Where the Python comes from.")]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse a Python that needs a newer glibc than the target.")
]
Offline = Annotated[bool, typer.Option("--offline", help="Use only what is in the cache.")]
NoCheck = Annotated[bool, typer.Option("--no-check", help="Do not test-import the archives.")]
Slim = Annotated[
    list[str] | None,
    typer.Option(
        metavar="RULE",
        help="Slimming rule to apply instead of the default ones (repeatable), or all.",
    ),
]
NoSlim = Annotated[bool, typer.Option("--no-slim", help="Keep every file.")]
BuilderChoice = Annotated[
    BuilderKind | None, typer.Option("--builder", help="Where to build packages without a wheel.")
]
Image = Annotated[
    str | None,
    typer.Option(metavar="IMAGE", help="Container image to build in."),
]
Network = Annotated[
    str | None,
    typer.Option(metavar="MODE", help="Network mode of the container engine, such as host."),
]
Timeout = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="How long the job may take."),
]


def slim_rules(chosen: list[str] | None, *, none: bool) -> tuple[str, ...] | None:
    """The rules that the flags ask for; None if they do not say."""
    if none:
        return ()
    return tuple(chosen) if chosen else None


def absolute(paths: list[Path] | None) -> tuple[Path, ...] | None:
    """Paths of the command line, which are relative to the working folder."""
    return tuple(path.absolute() for path in paths) if paths else None


def pairs(words: Iterable[str] | None, option: str) -> dict[str, str]:
    """``NAME=VALUE`` words as a dict. Raises UsageError for one that is not."""
    found = {}
    for word in words or ():
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise UsageError(
                f"{option} '{word}' is not NAME=VALUE.", remedy=f"Write {option} NAME=VALUE."
            )
        found[name] = value
    return found
