"""What the environment and pip's configuration say about every resolution."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundler.errors import UsageError
from bundler.lock.formats import Formats
from bundler.lock.requirements import Requirements, combined, read_constraints
from bundler.support.index import pip_settings

_YES = ("1", "true", "yes", "on", "y", "t")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that pip or uv reads: ``names``, what it means, and who honours it.

    ``refused`` is what to do instead, empty if it is honoured.
    """

    names: tuple[str, ...]
    meaning: str
    refused: str = ""


VARIABLES = (
    Variable(("PIP_NO_BINARY", "UV_NO_BINARY_PACKAGE"), "builds these packages from source"),
    Variable(("UV_NO_BINARY",), "builds every package from source"),
    Variable(("PIP_ONLY_BINARY", "UV_NO_BUILD_PACKAGE"), "takes only wheels of these packages"),
    Variable(("UV_NO_BUILD",), "takes only wheels"),
    Variable(("PIP_PREFER_BINARY",), "prefers an older wheel to a newer source"),
    Variable(("PIP_PRE",), "allows pre-releases"),
    Variable(("PIP_REQUIRE_HASHES",), "wants a hash for every package"),
    Variable(("PIP_CONSTRAINT", "UV_CONSTRAINT"), "reads files of constraints"),
    Variable(
        ("UV_PRERELEASE", "UV_RESOLUTION", "UV_EXCLUDE_NEWER", "UV_INDEX_STRATEGY", "UV_EXCLUDE"),
        "is read by uv itself",
    ),
    Variable(("UV_OVERRIDE",), "", refused="Unset it, and write the versions as requirements."),
)
"""What is read of the environment, for each resolution; pip's configuration files say the same."""


def inherited_requirements(environment: Mapping[str, str] = os.environ) -> Requirements:
    """The constraints and choices that the environment and pip's configuration make.

    Raises UsageError for a value that does not make sense, a file of constraints that is not one,
    and for a variable that is refused.
    """
    for variable in VARIABLES:
        for name in variable.names:
            if variable.refused and environment.get(name):
                raise UsageError(
                    f"{name} is set, and is not supported.",
                    "Expected versions to come from requirements and constraints.",
                    variable.refused,
                )
    settings = pip_settings(environment)
    files = [
        *settings.get("constraint", "").split(),
        *environment.get("UV_CONSTRAINT", "").split(),
    ]
    own = Requirements(
        formats=_formats(settings, environment),
        pre=_is_set(settings.get("pre")),
        prefer_binary=_is_set(settings.get("prefer-binary")),
        require_hashes=_is_set(settings.get("require-hashes")),
    )
    return combined(own, *_constraints(files))


def _constraints(files: Sequence[str]) -> Iterator[Requirements]:
    for file in files:
        if "://" in file:
            raise UsageError(
                f"{file} is not a path.",
                "Expected files of constraints in PIP_CONSTRAINT and UV_CONSTRAINT.",
                "Download it, and name the copy.",
            )
        yield read_constraints(Path(file))


def _formats(settings: Mapping[str, str], environment: Mapping[str, str]) -> Formats:
    wheels = settings.get("only-binary", "").split()
    sources = settings.get("no-binary", "").split()
    wheels += environment.get("UV_NO_BUILD_PACKAGE", "").split()
    sources += environment.get("UV_NO_BINARY_PACKAGE", "").split()
    wheels += [":all:"] if _is_set(environment.get("UV_NO_BUILD")) else []
    sources += [":all:"] if _is_set(environment.get("UV_NO_BINARY")) else []
    try:
        found = [Formats.parse("only-binary", value) for value in wheels]
        found += [Formats.parse("no-binary", value) for value in sources]
    except ValueError as error:
        raise UsageError(
            f"The environment or pip's configuration asks for wheels or sources: {error}.",
            "Expected names of packages, :all: or :none: in PIP_NO_BINARY and PIP_ONLY_BINARY.",
            "Change that value.",
        ) from error
    # Their order is not known, so names win over all.
    choices = [choice for each in found for choice in each.choices]
    return Formats(tuple(sorted(choices, key=lambda choice: choice[1] != ":all:")))


def _is_set(value: str | None) -> bool:
    return (value or "").lower() in _YES
