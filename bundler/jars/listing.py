"""JARs that a job needs beside its Python: a checked list, and their URLs for Flink."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bundler.archive.directory import BadZip
from bundler.errors import UsageError
from bundler.jars.members import check_members, read_members
from bundler.support.files import sha256_of
from bundler.support.progress import SILENT, Progress

_SHOWN = 300


@dataclass(frozen=True, slots=True)
class JarFile:
    """One JAR: its absolute path, SHA-256 in hexadecimal and size in bytes."""

    path: Path
    sha256: str
    size: int

    @property
    def name(self) -> str:
        """The file name, which is also its name on the cluster."""
        return self.path.name


def jar_list(files: Sequence[Path], progress: Progress = SILENT) -> tuple[JarFile, ...]:
    """Check ``files`` and return them as a list, in their order.

    Each is read once, so that a damaged one is noticed before the cluster has it. Raises UsageError
    if one is missing, is not a whole JAR, or has the name of another. Warns where two
    hold the same class: which of them the job gets then depends on the class loader.
    """
    jars: list[JarFile] = []
    named: dict[str, Path] = {}
    owners: dict[str, str] = {}
    for file in files:
        path = file.absolute()
        classes = _classes(path)
        if path.name in named:
            raise UsageError(
                f"Two JARs are named {path.name}: {named[path.name]} and {path}.",
                "The JARs are in one folder on the cluster, so their names must differ.",
                "Remove or rename one of them.",
            )
        named[path.name] = path
        twice = [name for name in classes if name in owners]
        if twice:
            progress.warn(
                f"{path.name} and {owners[twice[0]]} both have {twice[0][:_SHOWN]}"
                f"{f' and {len(twice) - 1} more' if len(twice) > 1 else ''}."
            )
        owners.update((name, path.name) for name in classes if name not in owners)
        jars.append(JarFile(path, sha256_of(path), path.stat().st_size))
    return tuple(jars)


def _classes(path: Path) -> list[str]:
    try:
        members = read_members(path)
        names = [member.name for member in members]
        if path.suffix == ".whl" or any(name.endswith(".dist-info/WHEEL") for name in names):
            raise UsageError(
                f"{path.name} is a Python wheel, not a JAR.",
                "Expected Java classes.",
                "Put it in deps.zip: name it in a requirements file.",
            )
        check_members(path, members)
    except BadZip as error:
        what = "is damaged" if error.member else "is not a zip file"
        raise _not_a_jar(path, f"{what}: {str(error)[:_SHOWN]}") from error
    if path.suffix != ".jar":
        raise _not_a_jar(path, "does not end in .jar, as Flink requires")
    classes = [
        name
        for name in names
        if name.endswith(".class")
        and not name.endswith(("module-info.class", "package-info.class"))
        and not name.startswith("META-INF/versions/")
    ]
    if not classes and not any(name.startswith("META-INF/") for name in names):
        raise _not_a_jar(path, "has neither classes nor META-INF/")
    return list(dict.fromkeys(classes))


def _not_a_jar(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path.name} {why}.",
        "Expected a JAR: a whole zip with classes or META-INF/.",
        "Remove it from the list, or fetch or build it again.",
    )
