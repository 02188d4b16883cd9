"""What Flink is given: a finished bundle and the job that runs with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bundler.jars.listing import JarFile
    from bundler.target import Target


@dataclass(frozen=True)
class JobBundle:
    """The archives of one build, and what to run with them.

    ``python_executable`` is the interpreter as the workers name it: a path in an archive, whose
    folder there has the archive's file name ("venv.zip/venv/bin/python3.11"), or a command on the
    nodes ("python3.11"). ``script`` is run as a program, or else ``module`` as ``python -m`` does;
    ``files`` are Python files, packages (folders) and zips of them that it imports.
    ``configuration`` holds more Flink options; it overrides what the bundle implies.
    """

    target: Target
    python_executable: str
    venv: Path | None = None
    deps: Path | None = None
    data: tuple[Path, ...] = ()
    jars: tuple[JarFile, ...] = ()
    script: Path | None = None
    module: str | None = None
    files: tuple[Path, ...] = ()
    arguments: tuple[str, ...] = ()
    parallelism: int | None = None
    configuration: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobResult:
    """A job as it was last seen: Flink's id and state ("RUNNING", "FINISHED"), and the master."""

    job_id: str
    state: str
    master: str
