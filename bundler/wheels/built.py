"""What a build backend left: one whole wheel of the project that was asked for, or an error."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from bundler.archive.wheel_rules import check_wheel
from bundler.errors import BuildError
from bundler.wheels.strip_runpath import remove_foreign_runpaths


def wheel_name(names: Sequence[str], project: str | None = None) -> str:
    """The one name among ``names``, if it is a wheel's, and of ``project`` if that is known.

    Raises BuildError.
    """
    try:
        (name,) = names
        found = parse_wheel_filename(name)[0]
    except (ValueError, InvalidWheelFilename) as error:
        raise BuildError(
            f"The build left {', '.join(map(repr, names[:3])) or 'no file'}.",
            "Expected one wheel, named as the wheel format says.",
            "See what the project's build backend does.",
        ) from error
    if project is not None and found != canonicalize_name(project):
        raise BuildError(
            f"The build of {project} left {name}.",
            f"Expected a wheel of {project}.",
            "Check the name in the requirements and in the project's metadata.",
        )
    return name


def settle(wheel: Path) -> None:
    """Read ``wheel`` whole, and make its binaries look for libraries only beside themselves.

    Raises BuildError if it is not a sound wheel, VerificationError for a damaged binary.
    """
    check_wheel(wheel)
    remove_foreign_runpaths(wheel)
