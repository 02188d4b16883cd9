"""What the groups of commands share: a quick start, and lists that are not cut short."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class Group(TyperGroup):
    """Commands of one subject."""

    # Any: typer's context and parameters are click's own in some releases, a copy in others.
    def get_params(self, ctx: Any) -> list[Any]:
        """The options before the command's name; each is a flag, and False by default."""
        options = super().get_params(ctx)
        for option in options:
            # A None would be converted, for which typer loads pydantic, before any help is shown.
            if option.default is None:
                option.default = False
        return options

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first line of the help, whole."""
        return first_line(self.help)


def first_line(help: str | None) -> str:
    """What a list of commands says of one: all of the first line of its ``help``."""
    return (help or "").partition("\n")[0]
