"""The command ``bundle``: which commands there are, and where each one is."""

from __future__ import annotations

import io
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Annotated, Any

import typer

import bundler
from bundler.cli.group import Group
from bundler.errors import EXIT_CODES

COMMANDS = {
    "venv": ("cmd_archives", "Build venv.zip: a relocatable Python with PyFlink."),
    "deps": ("cmd_archives", "Build deps.zip: the packages that the job imports."),
    "data": ("cmd_archives", "Build a data archive from files and folders."),
    "jars": ("cmd_archives", "Check JAR files and list them."),
    "init": ("cmd_project", "Create a project with a working job."),
    "lock": ("cmd_project", "Resolve the requirements and update the lock files."),
    "add": ("cmd_project", "Add requirements to the project and lock."),
    "remove": ("cmd_project", "Remove requirements from the project and lock."),
    "build": ("cmd_project", "Build everything that bundle.toml describes."),
    "config": ("cmd_job", "Print Flink's configuration for the bundle."),
    "run": ("cmd_job", "Run the job on a local Flink."),
    "submit": ("cmd_job", "Submit the job to a Flink cluster."),
    "plugin": ("cmd_plugin", "List, create and package plugins."),
    "wheel": ("cmd_wheel", "Build and publish wheels of your own extension."),
    "image": ("cmd_image", "Build the container images that wheels are built in."),
}
"""Each command or group with its module in this folder, and the first line of its help."""


class Commands(Group):
    """The commands of `COMMANDS`; only the module of the one that is asked for is loaded."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order in which help shows them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command or group ``cmd_name``, loaded now; None if there is none."""
        if cmd_name not in COMMANDS:
            # For the names that are suggested instead.
            self.commands.update({name: self.get_command(ctx, name) for name in COMMANDS})
            return None
        module, _ = COMMANDS[cmd_name]
        group = typer.main.get_group(import_module(f"bundler.cli.{module}").app)
        return group if group.name == cmd_name else group.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


app = typer.Typer(
    name="bundle",
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help costs 0.2 s on every start
    help="Small, reproducible, checked archives for PyFlink jobs on a managed Flink.",
    epilog=f"Exit codes: {', '.join(f'{code} {text}' for code, text in EXIT_CODES.items())}.",
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(bundler.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


# The base of typer's errors about words is of click in some releases, of a copy in others.
_CLICK_ERROR: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)


def main() -> None:
    """Run the command line; SIGTERM and SIGHUP clean up as Ctrl-C does."""
    _prepare()
    try:
        sys.exit(app(standalone_mode=False))
    except _CLICK_ERROR as error:
        sys.exit(_misused(error))


def _misused(error: Any) -> int:
    """Say that the words of the command line are wrong, as typer says it; the exit code."""
    from bundler.cli.report import Report, visible
    from bundler.errors import UsageError

    report = Report.of_words(sys.argv[1:])
    if report.json:
        report.error(UsageError(error.format_message(), remedy="See --help."))
    else:
        said = io.StringIO()
        error.show(file=said)
        print(visible(said.getvalue()).rstrip(), file=sys.stderr)
    return int(error.exit_code)


def _prepare() -> None:
    signal.signal(signal.SIGTERM, _ended)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup sets it
        signal.signal(signal.SIGHUP, _ended)
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding does not have is shown escaped.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _ended(number: int, frame: FrameType | None) -> None:
    if number == signal.SIGHUP:
        from bundler.cli.report import discard_output

        discard_output()  # the terminal is gone: to write to it would be an error
    sys.exit(128 + number)
