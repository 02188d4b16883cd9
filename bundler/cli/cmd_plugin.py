"""``bundle plugins`` and ``bundle plugin new|pack``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bundler.cli.options import reporting
from bundler.cli.report import Report

plugin_app = typer.Typer(name="plugin", no_args_is_help=True, help="Begin or pack a plugin.")

_SHOWN = ("kind", "name", "origin", "version", "where")


@reporting
def plugins_command(
    report: Report,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Archives or folders; default: dist, else the working folder."),
    ] = None,
) -> None:
    """List the plugins in archives and folders, with where each was found.

    Example: bundle plugins dist/deps.zip plugins/
    """
    from bundler.plugins.find_plugins import conda_environments, find_plugins

    chosen = paths or [Path("dist") if Path("dist").is_dir() else Path()]
    found = [plugin for path in chosen for plugin in find_plugins(path)]
    value = {"plugins": [{key: getattr(plugin, key) for key in _SHOWN} for plugin in found]}
    value["conda"] = [{"environment": name} for name in conda_environments(found)]
    report.table(value, _SHOWN, [[getattr(plugin, key) for key in _SHOWN] for plugin in found])
    for name in conda_environments(found):
        report.progress().note(
            f"A plugin asks for the conda environment '{name}': bundle build, and bundle venv "
            "--plugin, make venv.zip from its environment.yml."
        )


@plugin_app.command()
@reporting
def new(
    report: Report,
    name: Annotated[str, typer.Argument(help="The plugin's name, a Python module's.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to make; default: the name.")
    ] = None,
) -> None:
    """Begin a plugin that runs in PyFlink jobs and in eKuiper, with tests that pass.

    Example: bundle plugin new thermometer
    """
    from bundler.plugins.new_plugin import new_plugin

    written = new_plugin(name, output or Path(name))
    report.result(
        {"files": [str(path) for path in written]}, "\n".join(f"wrote {path}" for path in written)
    )


@plugin_app.command()
@reporting
def pack(
    report: Report,
    folder: Annotated[
        Path, typer.Argument(help="A plugin project or a portable plugin's folder.", exists=True)
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The zip; default: <name>.zip.")
    ] = None,
) -> None:
    """Make the zip that eKuiper installs, and that a pipeline can name as it is.

    Example: bundle plugin pack ./thermometer
    """
    from bundler.plugins.pack_plugin import pack_plugin

    archive = pack_plugin(folder, output)
    report.result(
        {"path": str(archive.path), "size": archive.size, "sha256": archive.sha256},
        f"{archive.path}  {archive.size} bytes  {archive.sha256}",
    )
