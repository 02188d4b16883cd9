"""``bundle venv``, ``deps``, ``data`` and ``jars``: one archive, or a JAR list, at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import bundler
from bundler.cli.options import (
    BuilderKind,
    Flink,
    Image,
    NoCheck,
    NoSlim,
    Offline,
    Platform,
    ProjectPath,
    Python,
    Slim,
    absolute,
    reporting,
    slim_rules,
)
from bundler.cli.report import Report

if TYPE_CHECKING:
    from bundler.jars.listing import JarFile
    from bundler.stages.pack import Packed

RequirementsFiles = Annotated[
    list[Path] | None,
    typer.Option("--requirements", "-r", help="Requirements file, or several with several -r."),
]


@reporting
def venv(
    report: Report,
    python: Python = None,
    flink: Flink = None,
    platform: Platform = None,
    base: Annotated[
        str | None,
        typer.Option(help="Where its Python comes from: auto, standalone, host, manylinux, conda."),
    ] = None,
    requirements: RequirementsFiles = None,
    environment: Annotated[
        Path | None,
        typer.Option(help="environment.yml for --base conda."),
    ] = None,
    from_prefix: Annotated[
        Path | None,
        typer.Option(help="An existing conda environment to take as base."),
    ] = None,
    plugin: Annotated[
        list[Path] | None,
        typer.Option(
            "--plugin",
            help="An eKuiper plugin whose conda environment is taken, or several.",
            exists=True,
        ),
    ] = None,
    keep_jars: Annotated[
        bool, typer.Option("--keep-jars", help="Keep Flink's JARs, which the cluster has itself.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a Python that needs a newer glibc.")
    ] = False,
    slim: Slim = None,
    no_slim: NoSlim = False,
    builder: BuilderKind = None,
    image: Image = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The archive.")] = Path("venv.zip"),
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
    session = report.session(offline=offline)
    packed = bundler.build_venv(chosen, output, session=session, check=not no_check)
    show(report, [packed])


@reporting
def deps(
    report: Report,
    requirements: RequirementsFiles = None,
    python: Python = None,
    flink: Flink = None,
    platform: Platform = None,
    no_deps: Annotated[
        bool, typer.Option("--no-deps", help="Only what is named, not what it needs.")
    ] = False,
    exclude_in: Annotated[
        Path | None,
        typer.Option(help="A venv.zip whose packages are left out, and whose target is taken."),
    ] = None,
    slim: Slim = None,
    no_slim: NoSlim = False,
    builder: BuilderKind = None,
    image: Image = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The archive.")] = Path("deps.zip"),
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
    session = report.session(offline=offline)
    packed = bundler.build_deps(
        chosen, output, venv=exclude_in, session=session, check=not no_check
    )
    show(report, [packed])


@reporting
def data(
    report: Report,
    paths: Annotated[list[Path], typer.Argument(help="Files and folders.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The archive.")] = Path("data.zip"),
) -> None:
    """Build a data archive from files and folders.

    Each lies at its root, under its own name. Example: bundle data ./models -o models.zip
    """
    show(report, [bundler.build_data(paths, output, session=report.session())])


@reporting
def jars(
    report: Report,
    files: Annotated[list[Path], typer.Argument(help="JAR files.")],
) -> None:
    """Check JAR files and print the list of them.

    Example: bundle jars ./connector.jar ./udfs.jar
    """
    from bundler.jars.listing import jar_list

    found = jar_list(files, report.progress())
    report.table(
        {"jars": [{"file": str(j.path), "size": j.size, "sha256": j.sha256} for j in found]},
        ["JAR", "size", "sha256"],
        [[str(jar.path), megabytes(jar.size), jar.sha256] for jar in found],
    )


def show(report: Report, packed: Sequence[Packed], jars: Sequence[JarFile] = ()) -> None:
    """Print the table of what was built: file, size, seconds, sha256."""
    rows = [
        [
            str(item.archive.path),
            megabytes(item.archive.size),
            f"{item.seconds:5.2f} s",
            f"{len(item.packages) or '-':>8}",
            item.archive.sha256,
        ]
        for item in packed
    ]
    rows += [[_shown(jar.path), megabytes(jar.size), "", "", jar.sha256] for jar in jars]
    value = {"archives": [as_json(item) for item in packed]}
    if jars:
        value["jars"] = [
            {"file": str(jar.path), "size": jar.size, "sha256": jar.sha256} for jar in jars
        ]
    report.table(value, ["file", "size", "time", "packages", "sha256"], rows)


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def as_json(item: Packed) -> dict[str, Any]:
    """One archive for scripts: sizes in bytes, seconds that writing took."""
    return {
        "kind": item.kind,
        "file": str(item.archive.path),
        "size": item.archive.size,
        "entries": item.archive.entries,
        "seconds": round(item.seconds, 3),
        "sha256": item.archive.sha256,
        "packages": dict(sorted(item.packages.items())),
        "executable": item.executable,
    }


def megabytes(size: int) -> str:
    """A size for people, right-aligned."""
    return f"{size / 1e6:7.1f} MB" if size >= 1e6 else f"{size / 1e3:7.1f} kB"
