"""eKuiper's JSON descriptor of a portable plugin.

The shape is that which eKuiper reads the file into; like eKuiper, this ignores other keys.
"""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bundler.archive.names import name_problem
from bundler.errors import UsageError
from bundler.support.problem import first_problem

SECTIONS = (("sources", "source"), ("sinks", "sink"), ("functions", "function"))
LONGEST_DESCRIPTOR = 1 << 16


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("text without control characters")
    return text


def _inside(path: str) -> str:
    if name_problem(path):
        raise ValueError("a path inside of the plugin")
    return path


def _environment(name: str) -> str:
    # It becomes the name of a file, and conda takes no other names.
    if name and not re.fullmatch(r"[^\s/\\:#.-][^\s/\\:#]*", name):
        raise ValueError("the name of a conda environment")
    return name


def _or_empty(value: object) -> object:
    return "" if value is None else value


def _or_none_of_them(value: object) -> object:
    return () if value is None else tuple(value) if isinstance(value, list) else value


_Text = Annotated[str, Field(max_length=255), AfterValidator(_printable)]
_Name = Annotated[_Text, Field(min_length=1)]
_Optional = BeforeValidator(_or_empty)
_Names = Annotated[tuple[_Name, ...], Field(max_length=1000), BeforeValidator(_or_none_of_them)]


class PluginDescriptor(BaseModel):
    """What the descriptor says; ``executable`` is a path beside it, ``/`` between its parts."""

    model_config = ConfigDict(strict=True, frozen=True)

    language: Literal["python"]
    executable: Annotated[_Name, AfterValidator(_inside)]
    version: Annotated[_Text, _Optional] = ""
    env_type: Annotated[_Text, _Optional, Field(alias="virtualEnvType")] = ""
    env: Annotated[_Text, AfterValidator(_environment), _Optional] = ""
    sources: _Names = ()
    sinks: _Names = ()
    functions: _Names = ()

    @property
    def conda(self) -> str:
        """The conda environment that the plugin asks for, or ""."""
        return self.env if self.env_type == "conda" else ""

    def plugins(self) -> list[tuple[str, str]]:
        """Kind ("source", "sink", "function") and name of each plugin."""
        return [(kind, name) for section, kind in SECTIONS for name in getattr(self, section)]


def parse_descriptor(data: bytes, shown: str) -> PluginDescriptor | None:
    """Read a JSON file; None if it is something else than the descriptor of a Python plugin.

    Raises UsageError for a descriptor that is wrong, with ``shown`` as its place.
    """
    try:
        content: Any = json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("language") != "python":
        return None
    if "executable" not in content:
        return None
    try:
        return PluginDescriptor.model_validate(content)
    except ValidationError as error:
        problem = first_problem(error)
        raise UsageError(
            f"{shown}: {problem.key} {problem.found}.",
            f"Expected {problem.expected}.",
            f"Fix the descriptor of the plugin.{problem.and_others}",
        ) from error
