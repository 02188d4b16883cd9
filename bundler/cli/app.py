"""The command line: words to values and back, no logic."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from bundler.cli import cmd_archives, cmd_image, cmd_job, cmd_plugin, cmd_project, cmd_wheel

app = typer.Typer(
    name="bundle",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help costs 0.2 s on every start
    help="Small, reproducible, checked archives for PyFlink jobs on a managed Flink.",
    epilog="Exit codes: 2 wrong usage, 3 unsolvable requirements, 4 failed build, 5 failed job, "
    "6 would not work on the target, 7 failed download, 130 interrupted.",
)

for _command in (
    cmd_archives.venv,
    cmd_archives.deps,
    cmd_archives.data,
    cmd_archives.jars,
    cmd_project.init,
    cmd_project.lock,
    cmd_project.build,
    cmd_job.config,
    cmd_job.run,
    cmd_job.submit,
):
    app.command()(_command)
app.add_typer(cmd_wheel.wheel_app)
app.add_typer(cmd_image.image_app)
app.command("plugins")(cmd_plugin.plugins_command)
app.add_typer(cmd_plugin.plugin_app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(version("flink-bundler"))
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; SIGTERM cleans up as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _ended)
    app()


def _ended(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
