"""``bundle config``, ``run`` and ``submit``: what to do with a finished bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import typer

import bundler
from bundler.cli.command import Command, given
from bundler.cli.options import ProjectPath, Timeout, absolute, pairs
from bundler.cli.report import Report

app = typer.Typer(rich_markup_mode=None)


@dataclass(frozen=True, slots=True)
class JobWords:
    """Which job: a bundle or single files, and what they say over ``[job]`` of bundle.toml."""

    dist: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of the bundle; default: dist.")
    ] = None
    venv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="venv.zip to use instead of a bundle.")
    ] = None
    deps: Annotated[
        Path | None, typer.Option(metavar="FILE", help="deps.zip to use instead of a bundle.")
    ] = None
    data: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Data archive (repeatable).")
    ] = None
    jar: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="JAR (repeatable).")] = None
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Python program that defines the job.")
    ] = None
    module: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Module to run as the job instead of a script."),
    ] = None
    py_file: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PATH", help="Module, package or zip that the job imports (repeatable)."
        ),
    ] = None
    parallelism: Annotated[
        int | None, typer.Option(min=1, metavar="NUMBER", help="Parallelism of the job.")
    ] = None
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", "-D", metavar="KEY=VALUE", help="Flink option (repeatable)."),
    ] = None
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="ARGUMENT", help="Arguments of the job's program, after --."),
    ] = None
    project: ProjectPath = Path()

    def job(self, report: Report) -> bundler.JobBundle:
        """The job that the words name. Raises UsageError."""
        project = bundler.load_project(self.project)
        settings = {**project.tables.job.configuration, **pairs(self.setting, "--set")}
        project = project.overridden(
            job={
                "script": self.script and self.script.absolute(),
                "module": self.module,
                "files": absolute(self.py_file),
                "parallelism": self.parallelism,
                "arguments": self.arguments,
                "configuration": settings if self.setting else None,
            }
        )
        if self.venv or self.deps or self.data or self.jar:
            bundle = bundler.bundle_of_files(
                venv=self.venv,
                deps=self.deps,
                data=self.data or (),
                jars=self.jar or (),
                flink=project.tables.target.flink,
                session=report.session(),
            )
        else:
            bundle = bundler.load_bundle(self.dist or project.folder / "dist")
        return bundler.job_of(project, bundle)


class JobCommand(Command):
    """A command on a job."""

    shared: ClassVar = (JobWords, Report)


@app.command(cls=JobCommand)
def config(
    ctx: typer.Context,
    form: Annotated[
        Literal["yaml", "arguments"],
        typer.Option("--format", help="The configuration file, or arguments of flink run."),
    ] = "yaml",
    archives_at: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Folder or URL where the cluster finds the archives."),
    ] = None,
) -> None:
    """Print Flink's configuration for the bundle.

    Prints a configuration file, or the arguments of `flink run`.

    Example: bundle config --archives-at oss://bucket/job
    """
    report = given(ctx, Report)
    job = given(ctx, JobWords).job(report)
    found = bundler.configuration(job, archives_at=archives_at)
    if form == "yaml":
        report.result({"configuration": found.settings}, f"# {found.name}\n{found.text}".rstrip())
    else:
        report.result({"arguments": list(found.arguments)}, found.command)


@app.command(cls=JobCommand)
def run(
    ctx: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=65535,
            metavar="PORT",
            help="Port of the local Flink's REST API; default: a free one.",
        ),
    ] = None,
    timeout: Timeout = None,
    logs: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Folder to keep Flink's configuration and logs in."),
    ] = None,
) -> None:
    """Run the job on a local Flink.

    Starts the target's Flink version and prints the job's output.

    Example: bundle run --project examples/opencv
    """
    report = given(ctx, Report)
    job = given(ctx, JobWords).job(report)
    report.job(bundler.run(job, port=port, timeout=timeout, logs=logs, session=report.session()))


@app.command(cls=JobCommand)
def submit(
    ctx: typer.Context,
    master: Annotated[
        str, typer.Option(metavar="URL", help="Flink's REST API, such as http://host:8081.")
    ],
    until_running: Annotated[
        bool, typer.Option("--until-running", help="Return as soon as all tasks run.")
    ] = False,
    detached: Annotated[
        bool, typer.Option("--detached", help="Return as soon as the job is accepted.")
    ] = False,
    timeout: Timeout = None,
) -> None:
    """Submit the job to a Flink cluster.

    Needs only Flink's REST API (1.17 or newer). Follows the job until it ends.

    Example: bundle submit --master http://localhost:8081
    """
    report = given(ctx, Report)
    result = bundler.submit(
        given(ctx, JobWords).job(report),
        master,
        follow=not until_running,
        detached=detached,
        timeout=timeout,
        session=report.session(),
    )
    report.job(result)
