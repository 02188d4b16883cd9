"""``bundle wheel``: wheels of your own extension for every CPython, and their upload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from bundler.cli.command import Command, given
from bundler.cli.group import Group
from bundler.cli.options import Image, Network, pairs
from bundler.cli.report import Report, megabytes

if TYPE_CHECKING:
    from bundler.wheelhouse.factory import BuiltWheel, WheelBuildOptions

app = typer.Typer(
    name="wheel",
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Build and publish wheels of your own extension.",
)


@dataclass(frozen=True, slots=True)
class WheelWords:
    """How to build the wheels."""

    python: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VERSION",
            help="Python to build for, such as 3.8 or 3.13t (repeatable); default: all of the "
            "image.",
        ),
    ] = None
    platform: Annotated[
        str | None,
        typer.Option(
            metavar="TAG", help="Platform tag of the wheels; default: manylinux2014_x86_64."
        ),
    ] = None
    image: Image = None
    test: Annotated[
        str | None,
        typer.Option(
            metavar="COMMAND",
            help="Command to test each wheel with; {project} in it is the source tree.",
        ),
    ] = None
    test_requires: Annotated[
        list[str] | None,
        typer.Option(metavar="PACKAGE", help="Package that the test command needs (repeatable)."),
    ] = None
    max_size: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Split larger wheels, such as 100MB.")
    ] = None
    system_package: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PACKAGE",
            help="Package of the image's system to install first (repeatable).",
        ),
    ] = None
    before_build: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COMMAND", help="Shell command to run in the image first (repeatable)."
        ),
    ] = None
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Variable of the build (repeatable)."),
    ] = None
    network: Network = None
    no_ccache: Annotated[
        bool, typer.Option("--no-ccache", help="Compile without the results of earlier builds.")
    ] = False

    def options(self) -> WheelBuildOptions:
        """The words as values. Raises UsageError."""
        from bundler.containers.container_options import ContainerOptions
        from bundler.target import DEFAULT_PLATFORM
        from bundler.wheelhouse.factory import CCACHE_VOLUME, WheelBuildOptions
        from bundler.wheelhouse.split import parse_size

        return WheelBuildOptions(
            container=ContainerOptions(
                image=self.image,
                network=self.network,
                system_packages=tuple(self.system_package or ()),
                before_build=tuple(self.before_build or ()),
                environment=pairs(self.env, "--env"),
            ),
            pythons=tuple(self.python or ()),
            platform=self.platform or DEFAULT_PLATFORM,
            test=self.test,
            test_requires=tuple(self.test_requires or ()),
            max_size=parse_size(self.max_size) if self.max_size else None,
            ccache=None if self.no_ccache else CCACHE_VOLUME,
        )


class WheelCommand(Command):
    """A command that builds wheels."""

    shared: ClassVar = (WheelWords, Report)


@app.command(cls=WheelCommand)
def build(
    ctx: typer.Context,
    source: Annotated[
        Path,
        typer.Argument(metavar="FOLDER", help="Source tree.", exists=True, file_okay=False),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the wheels.")
    ] = Path("wheelhouse"),
) -> None:
    """Build wheels for every CPython of the image.

    Repairs each wheel, splits it if it is too large, checks it with twine and tests it.

    Example: bundle wheel build . --image debian --test "python {project}/tests/check.py"
    """
    from bundler.wheelhouse.factory import build_wheels

    report = given(ctx, Report)
    made = build_wheels(source, output, report.session(), given(ctx, WheelWords).options())
    columns = ["wheel", "size", "Pythons", "built in", "ccache hits", "tested with"]
    report.table({"wheels": [_as_json(item) for item in made]}, columns, _rows(made))


def _as_json(item: BuiltWheel) -> dict[str, Any]:
    return {
        "file": str(item.wheel),
        "size": item.wheel.stat().st_size,
        "libraries": [str(path) for path in item.libraries],
        "pythons": list(item.pythons),
        "seconds": round(item.seconds, 2),
        "ccache": {"hits": item.hits, "misses": item.misses},
        "tested": list(item.tested),
    }


def _rows(made: Sequence[BuiltWheel]) -> list[list[str]]:
    wheels = [
        [
            item.wheel.name,
            megabytes(item.wheel.stat().st_size),
            " ".join(item.pythons),
            f"{item.seconds:6.1f} s",
            f"{item.hits} of {item.hits + item.misses}" if item.hits + item.misses else "",
            " ".join(item.tested) or "not tested",
        ]
        for item in made
    ]
    libraries = dict.fromkeys(path for item in made for path in item.libraries)
    return wheels + [
        [path.name, megabytes(path.stat().st_size), "", "", "", ""] for path in libraries
    ]


@app.command(cls=Command)
def publish(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Wheels and sdists.")],
    repository: Annotated[
        str,
        typer.Option(metavar="NAME|URL", help="Name in .pypirc (pypi, testpypi ...) or URL."),
    ] = "testpypi",
    test_repository: Annotated[
        str,
        typer.Option(
            metavar="NAME|URL", help="Repository that must already hold exactly these files."
        ),
    ] = "testpypi",
    untested: Annotated[
        bool, typer.Option("--untested", help="Do not ask the test repository.")
    ] = False,
    simple_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Simple index of the repository, if it is elsewhere."),
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File to read instead of ~/.pypirc.", exists=True),
    ] = None,
) -> None:
    """Upload wheels to the test repository first, then to the real one.

    Refuses file names that already exist there.

    Example: bundle wheel publish wheelhouse/*.whl
    """
    from bundler.wheelhouse.publish import publish
    from bundler.wheelhouse.repository import Repository

    report = given(ctx, Report)
    tested = None
    if not untested and repository != test_repository:
        tested = Repository(test_repository, config=config_file)
    target = Repository(repository, simple_url, config_file)
    publish(files, target, report.progress(), tested=tested)
    report.result(
        {"repository": target.shown, "files": [path.name for path in files]},
        f"{len(files)} files are at {target.shown}.",
    )
