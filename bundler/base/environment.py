"""environment.yml as conda reads it (docs.conda.io, "Creating an environment file manually")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bundler.errors import UsageError
from bundler.support.files import read_bounded

# A frozen environment of a thousand packages has some 50 kB.
_LARGEST = 512 << 10
_DEEPEST = 16
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class CondaEnvironment:
    """What an environment file asks for.

    ``channels`` in order of priority, ``specs`` in conda's match specification language,
    ``requirements`` in PEP 508's: those of its ``pip:`` section.
    """

    channels: tuple[str, ...] = ()
    specs: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()


class _Pip(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    pip: list[str]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str | None = None
    prefix: str | None = None
    platforms: list[str] | None = None
    variables: dict[str, str | int | float | bool] | None = None
    channels: list[str] = []
    dependencies: list[str | _Pip]


def read_environment(path: Path) -> CondaEnvironment:
    """Read an environment file. Raises UsageError naming the file and the line or key."""
    document = read_yaml(path, "a conda environment file in UTF-8")
    try:
        file = _File.model_validate(document)
    except ValidationError as error:
        # A dependency may be two things: the deepest error is of the one it was meant to be.
        first = max(error.errors(), key=lambda detail: len(detail["loc"]))
        key = ".".join(str(part) for part in first["loc"] if part not in ("str", "_Pip"))
        raise UsageError(
            f"{path}: {key or 'the file'}: {first['msg']}.",
            "Expected the keys name, channels and dependencies, a dependency being a text such as "
            "numpy>=1.26 or a pip: list.",
            "Change that key.",
        ) from error
    specs = [item for item in file.dependencies if isinstance(item, str)]
    pip = [item.pip for item in file.dependencies if isinstance(item, _Pip)]
    requirements = [requirement.strip() for part in pip for requirement in part]
    _check_lines(path, "channels", file.channels)
    _check_lines(path, "dependencies", specs)
    _check_lines(path, "dependencies.pip", requirements)
    for requirement in requirements:
        if requirement.startswith("-"):
            raise UsageError(
                f"{path}: dependencies.pip: '{requirement}' is an option of pip.",
                "Expected requirements only, such as requests>=2.",
                "Move it to a requirements file and pass that with -r.",
            )
    channels = tuple(name for name in file.channels if name != "nodefaults")
    return CondaEnvironment(channels, tuple(specs), tuple(requirements))


def read_yaml(path: Path, what: str) -> Any:
    """What the YAML file ``path`` holds: plain values, of bounded size and depth, each its own.

    Raises UsageError naming the line where there is one; ``what`` was expected.
    """
    data = read_bounded(path, _LARGEST, what)
    try:
        text = data.decode("utf-8-sig")
        _check_shape(path, text)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(
            f"{path}, line {line}: {error.problem or error.context}.",
            f"Expected {what}, which is YAML.",
            "Change that line.",
        ) from error
    # ValueError: dates and numbers that only look like some.
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is not YAML: {' '.join(str(error).split())[:300]}.",
            f"Expected {what}.",
            "Check that this is the right file.",
        ) from error


def _check_shape(path: Path, text: str) -> None:
    """Raise UsageError for what takes more memory or depth than its size tells."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST or isinstance(event, yaml.AliasEvent):
            found = "is an alias" if depth <= _DEEPEST else f"is nested more than {_DEEPEST} deep"
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise UsageError(
                f"{path}, line {line}: a value {found}.",
                "Expected plain lists and tables, each value written where it is used.",
                "Write the value out there.",
            )


def _check_lines(path: Path, key: str, values: Sequence[str]) -> None:
    """Raise UsageError for a value that other tools would read as more than one."""
    for value in values:
        if not value or not value.isprintable():
            raise UsageError(
                f"{path}: {key}: {value[:100]!r} is not one line of text.",
                "Expected printable characters without line breaks.",
                "Change that value.",
            )
