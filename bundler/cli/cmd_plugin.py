"""``bundle plugin list``, ``new`` and ``pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bundler.cli.command import Command, given
from bundler.cli.group import Group
from bundler.cli.report import Report

app = typer.Typer(
    name="plugin",
    cls=Group,
    no_args_is_help=True,
    rich_markup_mode=None,
    help="List, create and package plugins.",
)

_SHOWN = ("kind", "name", "origin", "version", "where")


@app.command("list", cls=Command)
def list_(
    ctx: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="PATH", help="Archives or folders; default: dist, else the working folder."
        ),
    ] = None,
) -> None:
    """List the plugins in archives and folders, and where each was found.

    Example: bundle plugin list dist/deps.zip plugins/
    """
    from bundler.plugins.find_plugins import conda_environments, find_plugins

    report = given(ctx, Report)
    chosen = paths or [Path("dist") if Path("dist").is_dir() else Path()]
    found = [plugin for path in chosen for plugin in find_plugins(path)]
    environments = conda_environments(found)
    value = {
        "plugins": [{key: getattr(plugin, key) for key in _SHOWN} for plugin in found],
        "conda": [{"environment": name} for name in environments],
    }
    report.table(value, _SHOWN, [[getattr(plugin, key) for key in _SHOWN] for plugin in found])
    for name in environments:
        report.progress().note(
            f"A plugin needs the conda environment '{name}': `bundle build` and "
            "`bundle venv --plugin` make venv.zip from its environment.yml."
        )


@app.command(cls=Command)
def new(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the plugin and of its Python module.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Folder to create; default: the name."
        ),
    ] = None,
) -> None:
    """Create a plugin that runs in PyFlink jobs and in eKuiper, with passing tests.

    Example: bundle plugin new thermometer
    """
    from bundler.plugins.new_plugin import new_plugin

    given(ctx, Report).written("files", new_plugin(name, output or Path(name)))


@app.command(cls=Command)
def pack(
    ctx: typer.Context,
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="FOLDER", help="Plugin project, or folder of a portable plugin.", exists=True
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Zip to write; default: <name>.zip."),
    ] = None,
) -> None:
    """Package a plugin as the zip that eKuiper installs and that a pipeline can name.

    Example: bundle plugin pack ./thermometer
    """
    from bundler.plugins.pack_plugin import pack_plugin

    archive = pack_plugin(folder, output)
    given(ctx, Report).result(
        {"path": str(archive.path), "size": archive.size, "sha256": archive.sha256},
        f"{archive.path}  {archive.size} bytes  {archive.sha256}",
    )
