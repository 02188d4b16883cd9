"""environment.yml as conda reads it (docs.conda.io, "Creating an environment file manually")."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from bundler.errors import UsageError


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
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{path} does not exist.",
            "Expected a conda environment file.",
            "Check the path, or leave it out for an environment with Python alone.",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.", "Expected a UTF-8 file.") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(
            f"{path}, line {line}: {error.problem or error.context}.",
            "Expected YAML with the keys channels and dependencies.",
            "Change that line.",
        ) from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path} is not YAML: {error}.", "Expected a UTF-8 text file.") from error
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
    requirements = [requirement for part in pip for requirement in part]
    for requirement in requirements:
        if requirement.startswith("-"):
            raise UsageError(
                f"{path}: dependencies.pip: '{requirement}' is an option of pip.",
                "Expected requirements only, such as requests>=2.",
                "Move it to a requirements file and give that with -r.",
            )
    channels = tuple(name for name in file.channels if name != "nodefaults")
    return CondaEnvironment(channels, tuple(specs), tuple(requirements))
