"""``bundle init``, ``lock`` and ``build``: all that bundle.toml describes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import bundler
from bundler.cli.cmd_archives import show
from bundler.cli.options import (
    BuilderKind,
    Flink,
    Image,
    NoCheck,
    Offline,
    Platform,
    ProjectPath,
    Python,
    reporting,
)
from bundler.cli.report import Report


@reporting
def init(
    report: Report,
    folder: Annotated[Path, typer.Argument(help="Where to begin.")] = Path(),
    python: Python = None,
    flink: Flink = None,
    platform: Platform = None,
) -> None:
    """Begin a project with a job that runs.

    Writes bundle.toml, requirements.txt and job.py.

    Example: bundle init myjob --flink 2.2.1 --python 3.11
    """
    from bundler.project.scaffold import begin
    from bundler.target import Target

    written = begin(folder, Target.parse(flink=flink, python=python, platform=platform))
    report.result(
        {"files": [str(path) for path in written]},
        "\n".join([*(f"wrote {path}" for path in written), "Next: bundle build, then bundle run."]),
    )


@reporting
def lock(report: Report, offline: Offline = False, project: ProjectPath = Path()) -> None:
    """Resolve the requirements anew.

    Writes pylock.venv.toml and pylock.deps.toml.

    Example: bundle lock
    """
    chosen = bundler.load_project(project, required=True)
    written = bundler.lock(chosen, session=report.session(offline=offline))
    report.result(
        {"locks": [str(path) for path in written]}, "\n".join(f"wrote {path}" for path in written)
    )


@reporting
def build(
    report: Report,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the bundle; default: dist."),
    ] = None,
    python: Python = None,
    flink: Flink = None,
    platform: Platform = None,
    base: Annotated[
        str | None,
        typer.Option(help="Where the Python comes from; wins over venv.base."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a Python that needs a newer glibc.")
    ] = False,
    builder: BuilderKind = None,
    image: Image = None,
    offline: Offline = False,
    no_check: NoCheck = False,
    project: ProjectPath = Path(),
) -> None:
    """Build all that bundle.toml describes.

    Archives, JARs and bundle.lock.json, in dist/.

    Example: bundle build --project examples/opencv
    """
    chosen = bundler.load_project(project, required=True).overridden(
        target={"flink": flink, "python": python, "platform": platform},
        venv={"base": base, "strict": strict or None},
        build={"builder": builder, "image": image},
    )
    session = report.session(offline=offline)
    made = bundler.build(chosen, output, session=session, check=not no_check)
    show(report, made.archives, made.bundle.jars)
