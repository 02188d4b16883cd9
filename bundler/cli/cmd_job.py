"""``bundle config``, ``run`` and ``submit``: what to do with a finished bundle."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

import bundler
from bundler.cli.options import ProjectPath, absolute, reporting
from bundler.cli.report import Report
from bundler.errors import unknown
from bundler.flink.model import JobBundle, JobResult

Timeout = Annotated[
    float | None,
    typer.Option(help="Seconds that the job may take."),
]
FORMS = ("yaml", "arguments")


def _job(
    report: Report,
    *,
    dist: Annotated[Path | None, typer.Option(help="Folder of the bundle; default: dist.")] = None,
    venv: Annotated[Path | None, typer.Option(help="A venv.zip, instead of a bundle.")] = None,
    deps: Annotated[Path | None, typer.Option(help="A deps.zip.")] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="A data archive; may be given several times.")
    ] = None,
    jar: Annotated[
        list[Path] | None, typer.Option(help="A JAR; may be given several times.")
    ] = None,
    script: Annotated[
        Path | None, typer.Option(help="The Python program that defines the job.")
    ] = None,
    module: Annotated[
        str | None, typer.Option(help="A module to run as the job, instead of a script.")
    ] = None,
    py_file: Annotated[
        list[Path] | None, typer.Option(help="A module, package or zip that the job imports.")
    ] = None,
    parallelism: Annotated[int | None, typer.Option(min=1, help="The job's parallelism.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("--set", "-D", help="KEY=VALUE for Flink.")
    ] = None,
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="Arguments for the job's program; put them after --."),
    ] = None,
    project: ProjectPath = Path(),
) -> JobBundle:
    from bundler.flink.job import parse_settings

    chosen = bundler.load_project(project)
    given = parse_settings(setting or ())
    chosen = chosen.overridden(
        job={
            "script": script.absolute() if script else None,
            "module": module,
            "files": absolute(py_file),
            "parallelism": parallelism,
            "arguments": arguments,
            "configuration": {**chosen.tables.job.configuration, **given} if given else None,
        }
    )
    if venv or deps or data or jar:
        bundle = bundler.bundle_of_files(
            venv=venv,
            deps=deps,
            data=data or (),
            jars=jar or (),
            flink=chosen.tables.target.flink,
            session=report.session(),
        )
    else:
        bundle = bundler.load_bundle(dist or chosen.folder / "dist")
    return bundler.job_of(chosen, bundle)


def _on_job(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command, which takes a report and a job, the options that say which job."""
    report, _, *own = inspect.signature(command, eval_str=True).parameters.values()
    _, *of_job = inspect.signature(_job, eval_str=True).parameters.values()

    @functools.wraps(command)
    def wrapped(report: Report, **words: Any) -> None:
        job = _job(report, **{option.name: words.pop(option.name) for option in of_job})
        command(report, job, **words)

    ordered = [option.replace(kind=inspect.Parameter.KEYWORD_ONLY) for option in [*own, *of_job]]
    wrapped.__signature__ = inspect.Signature([report, *ordered])  # type: ignore[attr-defined]
    return wrapped


@reporting
@_on_job
def config(
    report: Report,
    job: JobBundle,
    form: Annotated[
        str, typer.Option("--format", help="yaml (the configuration file) or arguments.")
    ] = "yaml",
    archives_at: Annotated[
        str | None,
        typer.Option(help="Folder or URL where the cluster finds the archives."),
    ] = None,
) -> None:
    """Print Flink's configuration for the bundle.

    As a configuration file, or as `flink run` arguments.

    Example: bundle config --archives-at oss://bucket/job
    """
    from bundler.flink.configuration import flat, shell_command

    if form not in FORMS:
        raise unknown("format", form, FORMS)
    found = bundler.configuration(job, archives_at=archives_at)
    if form == "yaml":
        options = {key: flat(value) for key, value in found.options.items()}
        report.result({"configuration": options}, f"# {found.name}\n{found.text}".rstrip())
    else:
        words = list(found.arguments)
        report.result({"arguments": words}, shell_command(words))


@reporting
@_on_job
def run(
    report: Report,
    job: JobBundle,
    port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Port of the local Flink's REST API; default: a free one."
        ),
    ] = None,
    timeout: Timeout = None,
    logs: Annotated[
        Path | None,
        typer.Option(help="Folder to keep Flink's configuration and logs in."),
    ] = None,
) -> None:
    """Run the job on a local Flink.

    Of the target's version; prints what the job prints.

    Example: bundle run --project examples/opencv
    """
    result = bundler.run(job, port=port, timeout=timeout, logs=logs, session=report.session())
    _show(report, result)


@reporting
@_on_job
def submit(
    report: Report,
    job: JobBundle,
    master: Annotated[str, typer.Option(help="Flink's REST API, such as http://host:8081.")],
    until_running: Annotated[
        bool, typer.Option("--until-running", help="Return as soon as all tasks run.")
    ] = False,
    detached: Annotated[
        bool, typer.Option("--detached", help="Return as soon as the job is accepted.")
    ] = False,
    timeout: Timeout = None,
) -> None:
    """Submit the job to a Flink cluster.

    By the REST API of Flink 1.17 or newer alone. Follows the job until it ends.

    Example: bundle submit --master http://localhost:8081
    """
    result = bundler.submit(
        job,
        master,
        follow=not until_running,
        detached=detached,
        timeout=timeout,
        session=report.session(),
    )
    _show(report, result)


def _show(report: Report, result: JobResult) -> None:
    report.result(
        {"job": result.job_id, "state": result.state, "master": result.master},
        f"Job {result.job_id} on {result.master}: {result.state}",
    )
