"""``bundle config``, ``run`` and ``submit``: what to do with a finished bundle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bundler.cli.options import ProjectPath, absolute, reporting
from bundler.cli.report import Report
from bundler.errors import UsageError

if TYPE_CHECKING:
    from bundler.services.model import JobBundle, JobResult

Dist = Annotated[
    Path | None,
    typer.Option(help="Folder of the bundle; default: dist."),
]
Venv = Annotated[
    Path | None,
    typer.Option(help="A venv.zip, instead of a bundle."),
]
Deps = Annotated[
    Path | None,
    typer.Option(help="A deps.zip."),
]
Data = Annotated[
    list[Path] | None,
    typer.Option(help="A data archive; may be given several times."),
]
Jar = Annotated[
    list[Path] | None,
    typer.Option(help="A JAR; may be given several times."),
]
Script = Annotated[
    Path | None,
    typer.Option(help="The Python program that defines the job."),
]
Module = Annotated[
    str | None,
    typer.Option(help="A module to run as the job, instead of a script."),
]
PyFile = Annotated[
    list[Path] | None,
    typer.Option(help="A module, package or zip that the job imports."),
]
Parallelism = Annotated[
    int | None,
    typer.Option(min=1, help="The job's parallelism."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", "-D", help="KEY=VALUE for Flink."),
]
Arguments = Annotated[
    list[str] | None,
    typer.Argument(help="Arguments for the job's program; put them after --."),
]
Timeout = Annotated[
    float | None,
    typer.Option(help="Seconds that the job may take."),
]
FORMS = ("yaml", "arguments")


@reporting
def config(
    report: Report,
    form: Annotated[
        str, typer.Option("--format", help="yaml (the configuration file) or arguments.")
    ] = "yaml",
    archives_at: Annotated[
        str | None,
        typer.Option(help="Folder or URL where the cluster finds the archives."),
    ] = None,
    dist: Dist = None,
    venv: Venv = None,
    deps: Deps = None,
    data: Data = None,
    jar: Jar = None,
    script: Script = None,
    module: Module = None,
    py_file: PyFile = None,
    parallelism: Parallelism = None,
    setting: Settings = None,
    arguments: Arguments = None,
    project: ProjectPath = Path(),
) -> None:
    """Print Flink's configuration for the bundle.

    As a configuration file, or as `flink run` arguments.

    Example: bundle config --archives-at oss://bucket/job
    """
    from bundler.services.flink import (
        config_name,
        flat,
        flink_configuration,
        flink_run_arguments,
        render,
        shell_command,
    )

    job = _job(
        report, dist, venv, deps, data, jar, script, module, py_file, parallelism, setting,
        arguments, project,
    )  # fmt: skip
    if form not in FORMS:
        raise UsageError(f"'{form}' is no format.", f"Known: {', '.join(FORMS)}.", "Choose one.")
    options = flink_configuration(job, base=archives_at)
    if form == "yaml":
        text = f"# {config_name(job.target.flink)}\n{render(job, base=archives_at)}".rstrip()
        report.result({"configuration": {key: flat(value) for key, value in options.items()}}, text)
    else:
        words = flink_run_arguments(job, base=archives_at)
        report.result({"arguments": words}, shell_command(words))


@reporting
def run(
    report: Report,
    port: Annotated[
        int | None,
        typer.Option(help="Port of the local Flink's REST API; default: a free one."),
    ] = None,
    timeout: Timeout = None,
    logs: Annotated[
        Path | None,
        typer.Option(help="Folder to keep Flink's configuration and logs in."),
    ] = None,
    dist: Dist = None,
    venv: Venv = None,
    deps: Deps = None,
    data: Data = None,
    jar: Jar = None,
    script: Script = None,
    module: Module = None,
    py_file: PyFile = None,
    parallelism: Parallelism = None,
    setting: Settings = None,
    arguments: Arguments = None,
    project: ProjectPath = Path(),
) -> None:
    """Run the job on a local Flink.

    Of the target's version; prints what the job prints.

    Example: bundle run --project examples/opencv
    """
    from bundler.cache import Cache
    from bundler.flink.run import run_local

    job = _job(
        report, dist, venv, deps, data, jar, script, module, py_file, parallelism, setting,
        arguments, project,
    )  # fmt: skip
    result = run_local(
        job, Cache.default(), report.progress(), port=port, timeout=timeout, logs=logs
    )
    _show(report, result)


@reporting
def submit(
    report: Report,
    master: Annotated[str, typer.Option(help="Flink's REST API, such as http://host:8081.")],
    until_running: Annotated[
        bool, typer.Option("--until-running", help="Return as soon as all tasks run.")
    ] = False,
    detached: Annotated[
        bool, typer.Option("--detached", help="Return as soon as the job is accepted.")
    ] = False,
    timeout: Timeout = None,
    dist: Dist = None,
    venv: Venv = None,
    deps: Deps = None,
    data: Data = None,
    jar: Jar = None,
    script: Script = None,
    module: Module = None,
    py_file: PyFile = None,
    parallelism: Parallelism = None,
    setting: Settings = None,
    arguments: Arguments = None,
    project: ProjectPath = Path(),
) -> None:
    """Submit the job to a Flink cluster.

    By the REST API of Flink 1.17 or newer alone. Follows the job until it ends.

    Example: bundle submit --master http://localhost:8081
    """
    from bundler.cache import Cache
    from bundler.services.submit import submit as submit_job

    job = _job(
        report, dist, venv, deps, data, jar, script, module, py_file, parallelism, setting,
        arguments, project,
    )  # fmt: skip
    result = submit_job(
        master,
        job,
        report.progress(),
        follow=not until_running,
        detached=detached,
        timeout=timeout,
        cache=Cache.default(),
    )
    _show(report, result)


def _show(report: Report, result: JobResult) -> None:
    report.result(
        {"job": result.job_id, "state": result.state, "master": result.master},
        f"Job {result.job_id} on {result.master}: {result.state}",
    )


def _job(
    report: Report,
    dist: Path | None,
    venv: Path | None,
    deps: Path | None,
    data: list[Path] | None,
    jars: list[Path] | None,
    script: Path | None,
    module: str | None,
    files: list[Path] | None,
    parallelism: int | None,
    settings: list[str] | None,
    arguments: list[str] | None,
    project: Path,
) -> JobBundle:
    from bundler.bundle import bundle_of, read_bundle
    from bundler.jobs import job_bundle, parse_settings
    from bundler.project import find_project

    chosen = find_project(project)
    given = parse_settings(settings or ())
    chosen = chosen.overridden(
        job={
            "script": script.absolute() if script else None,
            "module": module,
            "files": absolute(files),
            "parallelism": parallelism,
            "arguments": arguments,
            "configuration": {**chosen.tables.job.configuration, **given} if given else None,
        }
    )
    if venv or deps or data or jars:
        bundle = bundle_of(
            venv=venv,
            deps=deps,
            data=data or (),
            jars=jars or (),
            flink=chosen.tables.target.flink,
            progress=report.progress(),
        )
    else:
        bundle = read_bundle(dist or chosen.folder / "dist")
    return job_bundle(bundle, chosen)
