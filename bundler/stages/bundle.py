"""A bundle: the archives and JARs of one build, and ``bundle.lock.json``, which lists them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bundler.archive.read import manifest_of
from bundler.errors import UsageError
from bundler.jars.listing import JarFile, jar_list
from bundler.stages.pack import Packed
from bundler.support.files import sha256_of, whole_file
from bundler.support.progress import SILENT, Progress
from bundler.target import Target

LIST_NAME = "bundle.lock.json"


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
    """Write ``bundle.lock.json`` into ``folder``, where the archives lie already."""
    target = bundle.target
    listing = {
        "target": {"flink": target.flink, "python": target.python, "platform": target.platform},
        "executable": bundle.executable,
        "archives": [
            {
                "kind": item.kind,
                "file": item.archive.path.name,
                "size": item.archive.size,
                "sha256": item.archive.sha256,
                "packages": dict(sorted(item.packages.items())),
            }
            for item in packed
        ],
        "jars": [{"file": jar.name, "size": jar.size, "sha256": jar.sha256} for jar in bundle.jars],
    }
    path = folder / LIST_NAME
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(listing, indent=2) + "\n", encoding="utf-8")
    return path


def read_bundle(folder: Path) -> Bundle:
    """The bundle that ``bundle build`` left in ``folder``, each file checked by its SHA-256.

    Raises UsageError if there is none, or a file is missing or is another than the listed one.
    """
    path = folder / LIST_NAME
    try:
        listing = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise UsageError(
            f"{folder} holds no {LIST_NAME}.",
            "Expected what `bundle build` makes.",
            "Run `bundle build`, or name the files with --venv, --deps, --data and --jar.",
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is not JSON: {error}", remedy="Run `bundle build`.") from error
    try:
        return _listed(folder, listing)
    except (KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is not a list that `bundle build` wrote ({type(error).__name__}: {error}).",
            remedy="Run `bundle build` again.",
        ) from error


def _listed(folder: Path, listing: Mapping[str, Any]) -> Bundle:
    for row in [*listing["archives"], *listing["jars"]]:
        _check(folder / row["file"], row)
    return _bundle(
        Target.parse(**listing["target"]),
        listing["executable"],
        [(row["kind"], folder / row["file"]) for row in listing["archives"]],
        jar_list([folder / row["file"] for row in listing["jars"]]),
    )


def _check(file: Path, row: Mapping[str, Any]) -> None:
    if not file.is_file():
        raise UsageError(
            f"{file} is missing.", f"{LIST_NAME} lists it.", "Run `bundle build` again."
        )
    if file.stat().st_size != row["size"] or sha256_of(file) != row["sha256"]:
        raise UsageError(
            f"{file} is not the file that was built.",
            f"{LIST_NAME} lists it with sha256 {row['sha256']}.",
            "Run `bundle build` again.",
        )


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
    manifests = {
        path: manifest_of(path, kind)
        for path, kind in ((venv, "venv"), (deps, "deps"))
        if path is not None
    }
    for path in data:
        if not path.is_file():
            raise UsageError(f"{path} does not exist.", "Expected a data archive.", "Correct it.")
    targets = {path: manifest["target"] for path, manifest in manifests.items()}
    if venv and deps and targets[venv] != targets[deps]:
        raise UsageError(
            f"{venv} and {deps} are for different targets: {targets[venv]}, {targets[deps]}.",
            "One job has one Flink, one Python and one platform.",
            "Build one of them again.",
        )
    first = next(iter(targets.values()), {"flink": flink})
    target = Target.parse(**first)
    executable = f"python{target.python_minor}"
    if venv:
        executable = f"{venv.name}/{manifests[venv]['executable']}"
    return Bundle(target, executable, venv, deps, tuple(data), jar_list(jars, progress))
