"""``bundle init``, ``lock`` and ``build``: all that bundle.toml describes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import bundler
from bundler.cli.command import Command, given
from bundler.cli.options import (
    BaseChoice,
    BuilderChoice,
    Flink,
    Image,
    NoCheck,
    Offline,
    Platform,
    ProjectPath,
    Python,
    Strict,
)
from bundler.cli.report import Report

app = typer.Typer(rich_markup_mode=None)


@app.command(cls=Command)
def init(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Folder to create it in.")
    ] = Path(),
    python: Python = None,
    flink: Flink = None,
    platform: Platform = None,
) -> None:
    """Create a project with a working job.

    Writes bundle.toml, requirements.txt and job.py.

    Example: bundle init myjob --flink 2.2.1 --python 3.11
    """
    from bundler.project.scaffold import begin
    from bundler.target import Target

    target = Target.parse(flink=flink, python=python, platform=platform)
    given(ctx, Report).written(
        "files", begin(folder, target), "Next: bundle build, then bundle run."
    )


@app.command(cls=Command)
def lock(
    ctx: typer.Context,
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Take the newest versions that fit.")
    ] = False,
    upgrade_package: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PACKAGE", help="Take the newest version of this package (repeatable)."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only check that the locks fit the requirements.")
    ] = False,
    offline: Offline = False,
    project: ProjectPath = Path(),
) -> None:
    """Resolve the requirements and update the lock files.

    Keeps the versions that are locked and still fit.

    Example: bundle lock --upgrade-package pandas
    """
    report = given(ctx, Report)
    changes = bundler.update_locks(
        bundler.load_project(project, required=True),
        upgrade=upgrade,
        upgrade_packages=upgrade_package or (),
        check=check,
        session=report.session(offline=offline),
    )
    report.locks(changes)


@app.command(cls=Command)
def add(
    ctx: typer.Context,
    requirements: Annotated[
        list[str], typer.Argument(metavar="REQUIREMENT...", help="Such as 'pandas>=2'.")
    ],
    offline: Offline = False,
    project: ProjectPath = Path(),
) -> None:
    """Add requirements to the project and lock.

    Writes them to the requirements file, or to bundle.toml where there is none.

    Example: bundle add 'pandas>=2' humanize
    """
    report = given(ctx, Report)
    chosen = bundler.load_project(project, required=True)
    report.locks(bundler.add(chosen, requirements, session=report.session(offline=offline)))


@app.command(cls=Command)
def remove(
    ctx: typer.Context,
    names: Annotated[
        list[str], typer.Argument(metavar="PACKAGE...", help="Packages the project requires.")
    ],
    offline: Offline = False,
    project: ProjectPath = Path(),
) -> None:
    """Remove requirements from the project and lock.

    Example: bundle remove humanize
    """
    report = given(ctx, Report)
    chosen = bundler.load_project(project, required=True)
    report.locks(bundler.remove(chosen, names, session=report.session(offline=offline)))


@app.command(cls=Command)
def build(
    ctx: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FOLDER", help="Folder for the bundle; default: dist."
        ),
    ] = None,
    python: Python = None,
    flink: Flink = None,
    platform: Platform = None,
    base: BaseChoice = None,
    strict: Strict = False,
    builder: BuilderChoice = None,
    image: Image = None,
    offline: Offline = False,
    no_check: NoCheck = False,
    project: ProjectPath = Path(),
) -> None:
    """Build everything that bundle.toml describes.

    Writes the archives, the JARs and bundle.lock.json to dist/.

    Example: bundle build --project examples/opencv
    """
    chosen = bundler.load_project(project, required=True).overridden(
        target={"flink": flink, "python": python, "platform": platform},
        venv={"base": base, "strict": strict or None},
        build={"builder": builder, "image": image},
    )
    report = given(ctx, Report)
    session = report.session(offline=offline)
    made = bundler.build(chosen, output, session=session, check=not no_check)
    report.archives(made.archives, made.bundle.jars)
