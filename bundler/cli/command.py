"""What every command shares: options by parameter class, and the boundary where errors end."""

from __future__ import annotations

import signal
from typing import Any, ClassVar, TypeVar, cast

import typer
from typer.core import TyperCommand

from bundler.cli.group import first_line
from bundler.cli.report import OutputClosed, Report, discard_output

T = TypeVar("T")


class Command(TyperCommand):
    """A command that also has the options of its ``shared`` classes, and whose errors end here.

    Each class is a frozen dataclass whose fields are options as Typer reads them. `given` hands the
    command the instance that the command line made.
    """

    shared: ClassVar[tuple[type[Any], ...]] = (Report,)

    # Any: typer's context and parameters are click's own in some releases, a copy in others.
    def __init__(self, *, params: list[Any] | None = None, **rest: Any) -> None:
        self._options = {kind: _options(kind) for kind in self.shared}
        added = [option for options in self._options.values() for option in options]
        super().__init__(params=[*(params or []), *added], **rest)

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first line of the help, whole."""
        return first_line(self.help)

    def invoke(self, ctx: Any) -> Any:
        """Run the command; an error is told by the `Report` and becomes its exit code."""
        ctx.obj = {
            kind: _instance(kind, {option.name: ctx.params.pop(option.name) for option in options})
            for kind, options in self._options.items()
        }
        try:
            return super().invoke(ctx)
        except typer.Exit:
            raise
        except OutputClosed as error:
            discard_output()
            raise typer.Exit(128 + signal.SIGPIPE) from error
        except Exception as error:
            from bundler.cli.unexpected import told

            shown = told(error)
            given(ctx, Report).error(shown)
            raise typer.Exit(shown.exit_code) from error


def given(ctx: typer.Context, kind: type[T]) -> T:
    """The instance of the shared class ``kind`` that the words of this command make."""
    return cast(T, ctx.obj[kind])


def _options(kind: type[Any]) -> list[Any]:
    app = typer.Typer(add_completion=False)
    app.command()(kind)
    return typer.main.get_command(app).params


def _instance(kind: type[T], words: dict[str, Any]) -> T:
    # Of an option that may be repeated, click makes an empty sequence if it is not given.
    return kind(**{name: None if word in ((), []) else word for name, word in words.items()})
