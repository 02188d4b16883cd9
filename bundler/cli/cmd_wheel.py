"""``bundle wheel``: an own extension as wheels for all Pythons, and their upload."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from bundler.cli.cmd_image import pairs
from bundler.cli.options import Image, reporting
from bundler.cli.report import Report


class _BuildByDefault(TyperGroup):
    """``bundle wheel SRC`` is ``bundle wheel build SRC``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] != "--help":
            args = ["build", *args]
        return super().parse_args(ctx, args)


wheel_app = typer.Typer(
    name="wheel",
    cls=_BuildByDefault,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Wheels of an own extension for all Pythons: `bundle wheel SRC` builds them.",
)


@wheel_app.command()
@reporting
def build(
    report: Report,
    source: Annotated[Path, typer.Argument(help="Source tree.", exists=True, file_okay=False)],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the wheels.")] = Path(
        "wheelhouse"
    ),
    python: Annotated[
        list[str] | None,
        typer.Option(help="Python to build for, such as 3.8 or 3.13t; default: all of the image."),
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(help="pip's platform tag that the wheels get; default: manylinux2014_x86_64."),
    ] = None,
    image: Image = None,
    test: Annotated[
        str | None,
        typer.Option(help="Command to run with each; {project} in it is the source tree."),
    ] = None,
    test_requires: Annotated[
        list[str] | None, typer.Option(help="Requirement of the test command.")
    ] = None,
    max_size: Annotated[
        str | None, typer.Option(help="Split wheels over this size, such as 100MB.")
    ] = None,
    system_package: Annotated[
        list[str] | None, typer.Option(help="Package of the image's system to install first.")
    ] = None,
    before_build: Annotated[
        list[str] | None, typer.Option(help="Shell command to run in the image first.")
    ] = None,
    env: Annotated[list[str] | None, typer.Option(help="NAME=VALUE for the builds.")] = None,
    network: Annotated[
        str | None, typer.Option(help="Network mode of the engine, such as host.")
    ] = None,
    no_ccache: Annotated[
        bool, typer.Option("--no-ccache", help="Compile everything anew.")
    ] = False,
) -> None:
    """Build wheels for every Python of the image.

    Repaired, split if too large, checked with twine, tested.

    Example: bundle wheel . --image debian --test "python {project}/tests/check.py"
    """
    from bundler.containers.options import ContainerOptions
    from bundler.target import DEFAULT_PLATFORM
    from bundler.wheelhouse.factory import CCACHE_VOLUME, WheelBuildOptions, build_wheels
    from bundler.wheelhouse.split import parse_size

    container = ContainerOptions(
        image=image,
        network=network,
        system_packages=tuple(system_package or ()),
        before_build=tuple(before_build or ()),
        environment=pairs(env, "--env"),
    )
    options = WheelBuildOptions(
        container=container,
        pythons=tuple(python or ()),
        platform=platform or DEFAULT_PLATFORM,
        test=test,
        test_requires=tuple(test_requires or ()),
        max_size=parse_size(max_size) if max_size else None,
        ccache=None if no_ccache else CCACHE_VOLUME,
    )
    made = build_wheels(source, output, report.session(), options)
    rows = []
    for item in made:
        compiled = item.hits + item.misses
        rows.append(
            [
                item.wheel.name,
                _megabytes(item.wheel),
                " ".join(item.pythons),
                f"{item.seconds:6.1f} s",
                f"{item.hits} of {compiled}" if compiled else "",
                " ".join(item.tested) or "not tested",
            ]
        )
    for path in dict.fromkeys(path for item in made for path in item.libraries):
        rows.append([path.name, _megabytes(path), "", "", "", ""])
    value = {
        "wheels": [
            {
                "file": str(item.wheel),
                "size": item.wheel.stat().st_size,
                "libraries": [str(path) for path in item.libraries],
                "pythons": list(item.pythons),
                "seconds": round(item.seconds, 2),
                "ccache": {"hits": item.hits, "misses": item.misses},
                "tested": list(item.tested),
            }
            for item in made
        ]
    }
    columns = ["wheel", "size", "Pythons", "built in", "ccache hits", "tested with"]
    report.table(value, columns, rows)


@wheel_app.command()
@reporting
def publish(
    report: Report,
    files: Annotated[list[Path], typer.Argument(help="Wheels and sdists.")],
    repository: Annotated[
        str, typer.Option(help="Name in .pypirc (pypi, testpypi ...) or URL.")
    ] = "testpypi",
    test_repository: Annotated[
        str, typer.Option(help="Where the same files must be before they go elsewhere.")
    ] = "testpypi",
    untested: Annotated[
        bool, typer.Option("--untested", help="Do not ask the test repository.")
    ] = False,
    simple_url: Annotated[
        str | None, typer.Option(help="The repository's simple index, if it is elsewhere.")
    ] = None,
    config_file: Annotated[Path | None, typer.Option(help="Another .pypirc.", exists=True)] = None,
) -> None:
    """Upload wheels: to the test repository first.

    Refuses names that exist there.

    Example: bundle wheel publish wheelhouse/*.whl
    """
    from bundler.wheelhouse.publish import Repository, publish

    tested = None
    if not untested and repository != test_repository:
        tested = Repository(test_repository, config=config_file)
    target = Repository(repository, simple_url, config_file)
    publish(files, target, report.progress(), tested=tested)
    report.result(
        {"repository": repository, "files": [path.name for path in files]},
        f"{len(files)} files are at {repository}.",
    )


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:7.2f} MB"
