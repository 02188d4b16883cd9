"""A bundle: the archives and JARs of one build, from `bundle.lock.json` or from single files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bundler.archive.manifest import (
    DepsManifest,
    VenvManifest,
    read_deps_manifest,
    read_venv_manifest,
)
from bundler.archive.read import not_ours
from bundler.errors import UsageError
from bundler.jars.listing import JarFile, jar_list
from bundler.stages.bundle_list import (
    LIST_NAME,
    BundleList,
    ListedArchive,
    ListedFile,
    ListedTarget,
    read_list,
)
from bundler.stages.pack import Packed
from bundler.support.files import open_regular
from bundler.support.progress import SILENT, Progress
from bundler.target import Target


@dataclass(frozen=True, slots=True)
class Bundle:
    """What a job needs on its cluster.

    ``executable`` is the interpreter as the workers name it ("venv.zip/venv/bin/python3.11").
    """

    target: Target
    executable: str
    venv: Path | None = None
    deps: Path | None = None
    data: tuple[Path, ...] = ()
    jars: tuple[JarFile, ...] = ()


def bundle_of_build(target: Target, packed: Sequence[Packed], jars: tuple[JarFile, ...]) -> Bundle:
    """The bundle of archives that were built just now."""
    executable = next((item.executable for item in packed if item.executable), None)
    archives = [(item.kind, item.archive.path) for item in packed]
    return _bundle(target, executable or f"python{target.python_minor}", archives, jars)


def _bundle(
    target: Target,
    executable: str,
    archives: Sequence[tuple[str, Path]],
    jars: tuple[JarFile, ...],
) -> Bundle:
    by_kind: dict[str, list[Path]] = {}
    for kind, path in archives:
        by_kind.setdefault(kind, []).append(path)
    return Bundle(
        target,
        executable,
        next(iter(by_kind.get("venv", [])), None),
        next(iter(by_kind.get("deps", [])), None),
        tuple(by_kind.get("data", [])),
        jars,
    )


def write_list(folder: Path, bundle: Bundle, packed: Sequence[Packed]) -> Path:
    """Write ``bundle.lock.json`` into ``folder``, where the archives are already."""
    target = bundle.target
    return BundleList(
        target=ListedTarget(flink=target.flink, python=target.python, platform=target.platform),
        executable=bundle.executable,
        archives=tuple(
            ListedArchive.model_validate(
                {
                    "kind": item.kind,
                    "file": item.archive.path.name,
                    "size": item.archive.size,
                    "sha256": item.archive.sha256,
                    "packages": dict(sorted(item.packages.items())),
                }
            )
            for item in packed
        ),
        jars=tuple(
            ListedFile(file=jar.name, size=jar.size, sha256=jar.sha256) for jar in bundle.jars
        ),
    ).write(folder)


def read_bundle(folder: Path) -> Bundle:
    """The bundle that ``bundle build`` left in ``folder``, each file checked by its SHA-256.

    Raises UsageError if there is none, or a file is missing or is another than the listed one.
    """
    listed = read_list(folder)
    archives = [(row.kind, row.found_in(folder)) for row in listed.archives]
    jars = [JarFile(row.found_in(folder).absolute(), row.sha256, row.size) for row in listed.jars]
    return _bundle(_target_of(folder, listed), listed.executable, archives, tuple(jars))


def _target_of(folder: Path, listed: BundleList) -> Target:
    try:
        return Target.parse(**listed.target.model_dump())
    except UsageError as error:
        raise UsageError(
            f"{folder / LIST_NAME}: {error.found}", error.expected, "Run `bundle build` again."
        ) from error


def bundle_of(
    *,
    venv: Path | None = None,
    deps: Path | None = None,
    data: Sequence[Path] = (),
    jars: Sequence[Path] = (),
    flink: str | None = None,
    progress: Progress = SILENT,
) -> Bundle:
    """A bundle of single files; target and interpreter are what their manifests say.

    Raises UsageError if an archive is missing or of another kind, or two are for different targets.
    """
    for path in data:
        open_regular(path, "a data archive").close()
    held = read_venv_manifest(venv) if venv else None
    beside = read_deps_manifest(deps) if deps else None
    if held and beside and held.target != beside.target:
        raise UsageError(
            f"{venv} and {deps} are for different targets: {_in_words(held)}; {_in_words(beside)}.",
            "One job has one Flink, one Python and one platform.",
            "Build one of them again.",
        )
    manifest = held or beside
    target = manifest.target.target if manifest else Target.parse(flink=flink)
    executable = f"python{target.python_minor}"
    if venv and held:
        if held.executable is None:
            raise not_ours(venv, "its manifest does not name its Python")
        executable = f"{venv.name}/{held.executable}"
    return Bundle(target, executable, venv, deps, tuple(data), jar_list(jars, progress))


def _in_words(manifest: VenvManifest | DepsManifest) -> str:
    return manifest.target.target.describe()
