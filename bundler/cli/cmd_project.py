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
def lock(ctx: typer.Context, offline: Offline = False, project: ProjectPath = Path()) -> None:
    """Resolve the requirements and update the lock files.

    Writes pylock.venv.toml and pylock.deps.toml.

    Example: bundle lock
    """
    report = given(ctx, Report)
    chosen = bundler.load_project(project, required=True)
    report.written("locks", bundler.update_locks(chosen, session=report.session(offline=offline)))


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
