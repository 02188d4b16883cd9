"""A bundle and ``[job]`` -> what Flink is given."""

from __future__ import annotations

from pathlib import Path

from bundler.errors import UsageError
from bundler.flink.values import JobBundle
from bundler.project.tables import Project
from bundler.stages.bundle import Bundle


def job_bundle(bundle: Bundle, project: Project) -> JobBundle:
    """The bundle with the project's job. Raises UsageError if a file of the job is missing."""
    job = project.tables.job
    script = project.path(job.script) if job.script else None
    files = project.paths(job.files)
    for path in [*([script] if script else []), *files]:
        if not path.exists():
            raise UsageError(
                f"{path} does not exist.",
                "It is part of the job.",
                "Change job.script or job.files in bundle.toml, --script or --py-file.",
            )
    return JobBundle(
        target=bundle.target,
        python_executable=bundle.executable,
        venv=_absolute(bundle.venv),
        deps=_absolute(bundle.deps),
        data=tuple(path.absolute() for path in bundle.data),
        jars=bundle.jars,
        script=_absolute(script),
        module=job.module,
        files=tuple(path.absolute() for path in files),
        arguments=job.arguments,
        parallelism=job.parallelism,
        configuration={key: _text(value) for key, value in job.configuration.items()},
    )


def _absolute(path: Path | None) -> Path | None:
    return path.absolute() if path else None


def _text(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
