"""twine: checks what is uploaded, and uploads it."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from bundler.errors import BuildError, missing_extra
from bundler.support.index import index_settings
from bundler.support.process import Finished, run
from bundler.wheelhouse.repository import Repository

_UPLOAD_SECONDS = 3600.0
_CHECK_SECONDS = 600.0
# Not `-m`: that would look for modules in the current folder first.
_START = (
    "import runpy, sys; sys.path[:] = filter(None, sys.path); "
    "runpy.run_module('twine', run_name='__main__', alter_sys=True)"
)
# Colours and cursor movements (ECMA-48 control sequences).
_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


def check_with_twine(files: Sequence[Path]) -> None:
    """Raise BuildError for the first of ``files`` whose metadata an index would refuse."""
    finished = _run(["check", "--", *map(Path.absolute, files)], {}, _CHECK_SECONDS)
    if finished.returncode == 0:
        return
    lines = _lines(finished)
    said = [line for line in lines if "ERROR" in line or "FAILED" in line]
    raise BuildError(
        f"twine refused the wheel: {' '.join(said) or ' '.join(lines[-3:])}",
        "An index would refuse it too.",
        "Change the project's metadata as twine says.",
    )


def upload_with_twine(files: Sequence[Path], repository: Repository) -> None:
    """Upload ``files`` in their order. Raises BuildError if twine or the index refuses one.

    An answer that sends twine to another address is a refusal too.
    """
    command = ["upload", "--non-interactive", "--disable-progress-bar"]
    if repository.is_url:
        command.append(f"--repository-url={repository.upload_url}")
    else:
        command.append(f"--repository={repository.name}")
    if repository.config is not None:
        command.append(f"--config-file={repository.config}")
    environment = dict(index_settings().environment())
    if repository.credentials is not None:
        # Not on the command line, which everybody on the machine may read.
        user, password = repository.credentials
        environment |= {"TWINE_USERNAME": user, "TWINE_PASSWORD": password}
    arguments: list[str | Path] = [*command, "--", *map(Path.absolute, files)]
    finished = _run(arguments, environment, _UPLOAD_SECONDS)
    if finished.returncode != 0:
        said = [row for row in _lines(finished) if not row.startswith(("Uploading", "WARNING"))]
        raise BuildError(
            f"The upload to {repository.shown} failed: {' '.join(said[-3:])}",
            "What was uploaded before the failure stays there.",
            "Check the credentials and who owns the name, raise the version if a file is already "
            "there, and try again.",
        )


def _run(
    arguments: Sequence[str | Path], environment: Mapping[str, str], seconds: float
) -> Finished:
    if find_spec("twine") is None:
        raise missing_extra("wheel", "An upload", ModuleNotFoundError(name="twine"))
    command = [sys.executable, "-c", _START, *arguments]
    return run(command, env={**environment, "NO_COLOR": "1"}, timeout=seconds)


def _lines(finished: Finished) -> list[str]:
    text = _CONTROL.sub("", finished.stdout + finished.stderr)
    return [line.strip() for line in text.splitlines() if line.strip()]
