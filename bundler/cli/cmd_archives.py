"""``bundle venv``, ``deps``, ``data`` and ``jars``: one archive, or a JAR list, at a time."""

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
    NoSlim,
    Offline,
    Platform,
    ProjectPath,
    Python,
    Requirements,
    Slim,
    Strict,
    absolute,
    slim_rules,
)
from bundler.cli.report import Report, megabytes

app = typer.Typer(rich_markup_mode=None)


@app.command(cls=Command)
def venv(
    ctx: typer.Context,
    python: Python = None,
    flink: Flink = None,
    platform: Platform = None,
    base: BaseChoice = None,
    requirements: Requirements = None,
    environment: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="environment.yml for --base conda."),
    ] = None,
    from_prefix: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Existing conda environment to use as the base."),
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            "--plugin",
            metavar="PATH",
            help="eKuiper plugin whose conda environment becomes the base (repeatable).",
            exists=True,
        ),
    ] = None,
    keep_jars: Annotated[
        bool, typer.Option("--keep-jars", help="Keep Flink's JARs, which the cluster already has.")
    ] = False,
    strict: Strict = False,
    slim: Slim = None,
    no_slim: NoSlim = False,
    builder: BuilderChoice = None,
    image: Image = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Archive to write.")
    ] = Path("venv.zip"),
    offline: Offline = False,
    no_check: NoCheck = False,
    project: ProjectPath = Path(),
) -> None:
    """Build venv.zip: a relocatable Python with PyFlink.

    Example: bundle venv --python 3.7 --flink 1.16.3 -o venv.zip
    """
    chosen = bundler.load_project(project).overridden(
        target={"flink": flink, "python": python, "platform": platform},
        venv={
            "base": base,
            "requirements": absolute(requirements),
            "environment": environment and environment.absolute(),
            "from_prefix": from_prefix and from_prefix.absolute(),
            "plugins": absolute(plugin),
            "keep_jars": keep_jars or None,
            "strict": strict or None,
            "slim": slim_rules(slim, none=no_slim),
        },
        build={"builder": builder, "image": image},
    )
    report = given(ctx, Report)
    session = report.session(offline=offline)
    packed = bundler.build_venv(chosen, output, session=session, check=not no_check)
    report.archives([packed])


@app.command(cls=Command)
def deps(
    ctx: typer.Context,
    requirements: Requirements = None,
    python: Python = None,
    flink: Flink = None,
    platform: Platform = None,
    no_deps: Annotated[bool, typer.Option("--no-deps", help="Do not add dependencies.")] = False,
    exclude_in: Annotated[
        Path | None,
        typer.Option(
            metavar="VENV.ZIP",
            help="Leave out the packages of this venv.zip, and build for its target.",
        ),
    ] = None,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Run the Python in --exclude-in even if made elsewhere."),
    ] = False,
    slim: Slim = None,
    no_slim: NoSlim = False,
    builder: BuilderChoice = None,
    image: Image = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Archive to write.")
    ] = Path("deps.zip"),
    offline: Offline = False,
    no_check: NoCheck = False,
    project: ProjectPath = Path(),
) -> None:
    """Build deps.zip: the packages that the job imports.

    Example: bundle deps -r requirements.txt --exclude-in venv.zip -o deps.zip
    """
    target = {"flink": flink, "python": python, "platform": platform}
    if exclude_in is not None and not any(target.values()):
        target = {**bundler.read_venv(exclude_in).target}
    chosen = bundler.load_project(project).overridden(
        target=target,
        deps={
            "requirements": absolute(requirements),
            "no_deps": no_deps or None,
            "slim": slim_rules(slim, none=no_slim),
        },
        build={"builder": builder, "image": image},
    )
    report = given(ctx, Report)
    session = report.session(offline=offline)
    packed = bundler.build_deps(
        chosen, output, venv=exclude_in, session=session, check=not no_check, trust=trust
    )
    report.archives([packed])


@app.command(cls=Command)
def data(
    ctx: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files and folders.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="Archive to write.")
    ] = Path("data.zip"),
) -> None:
    """Build a data archive from files and folders.

    Each of them is at the root of the archive, under its own name.

    Example: bundle data ./models -o models.zip
    """
    report = given(ctx, Report)
    report.archives([bundler.build_data(paths, output, session=report.session())])


@app.command(cls=Command)
def jars(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="JAR files.")],
) -> None:
    """Check JAR files and list them.

    Example: bundle jars ./connector.jar ./udfs.jar
    """
    from bundler.jars.listing import jar_list

    report = given(ctx, Report)
    found = jar_list(files, report.progress())
    report.table(
        {"jars": [{"file": str(j.path), "size": j.size, "sha256": j.sha256} for j in found]},
        ["JAR", "size", "sha256"],
        [[str(jar.path), megabytes(jar.size), jar.sha256] for jar in found],
    )
