"""What a submit makes for itself: the zip of the job's own code, and the program with its JARs."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from packaging.version import Version

from bundler.archive.entry import Entry, OnDisk, text_entry
from bundler.archive.merge import merge
from bundler.archive.read import tree_entries
from bundler.archive.writer import write_archive
from bundler.errors import UsageError
from bundler.flink.configuration import no_job
from bundler.flink.values import JobBundle
from bundler.stages.pack import CODE

# Python starts in the folder that the archives are unpacked in, for main() and in the workers.
_EXTEND_PATH = """\
import os, sys
sys.path[:0] = [os.path.abspath(name) for name in {} if os.path.isdir(name)]
"""


def has_pythonpath(bundle: JobBundle) -> bool:
    """Whether the target's Flink has the option ``python.pythonpath`` (1.18 and newer)."""
    return Version(bundle.target.flink) >= Version("1.18")


def names_on_path(bundle: JobBundle) -> list[str]:
    """The folders beside the unpacked archives that the job imports from, in their order."""
    return [CODE, *(path.name for path in python_archives(bundle))]


def python_archives(bundle: JobBundle) -> Iterator[Path]:
    """The zips of Python code: deps.zip, and those among the job's files."""
    if bundle.deps is not None:
        yield bundle.deps
    yield from (path for path in bundle.files if path.suffix == ".zip")


def write_code(bundle: JobBundle, place: Path) -> str:
    """Put the job's own Python files into a zip; returns the name of the module to run.

    Raises UsageError if one is missing or there is no job, BuildError if two have one name.
    """
    module = _module(bundle)
    files = [path for path in bundle.files if path.suffix != ".zip"]
    if bundle.script is not None:
        files.append(bundle.script)
    groups: list[list[Entry]] = []
    if not has_pythonpath(bundle):
        code = _EXTEND_PATH.format(names_on_path(bundle))
        groups.append([text_entry("sitecustomize.py", code, owner="flink-bundler")])
    for path in dict.fromkeys(file.absolute() for file in files):
        if not path.exists():
            raise UsageError(
                f"{path} does not exist.",
                "Expected the job's script, or a Python file or package that it imports.",
                "Change job.script or job.files in bundle.toml, --script or --py-file.",
            )
        _refuse_unimportable(path)
        groups.append(tree_entries(path, path.name, str(path)))
    write_archive([entry for entry in merge(groups) if "__pycache__/" not in entry.name], place)
    return module


def _refuse_unimportable(path: Path) -> None:
    """Raise UsageError for a module or package that Python could not import by its name.

    Other files and folders may be there as data.
    """
    is_code = path.suffix == ".py" or (path / "__init__.py").exists()
    name = path.stem if path.suffix == ".py" else path.name
    if not path.name.isprintable() or (is_code and not name.isidentifier()):
        raise UsageError(
            f"{path.name!r} cannot be imported.",
            "Expected a name of letters, digits and underscores, and .py if it is a module.",
            "Rename it.",
        )


def _module(bundle: JobBundle) -> str:
    if bundle.script is not None:
        if bundle.script.suffix != ".py" or not bundle.script.stem.isidentifier():
            raise UsageError(
                f"{bundle.script.name!r} cannot be run over REST: its name is not a module's.",
                "Expected letters, digits and underscores before .py.",
                "Rename the script.",
            )
        return bundle.script.stem
    if bundle.module is not None:
        return bundle.module
    raise no_job()


def write_program(python_jar: Path, bundle: JobBundle, folder: Path) -> Path:
    """The program to upload: Flink's Python JAR, or a JAR with it and the job's own in lib/.

    Flink puts the JARs within a program's lib/ on the class path of main() and of the tasks.
    ``pipeline.jars`` reaches the tasks alone: main() then finds no connector.
    """
    if not bundle.jars:
        return python_jar
    program = folder / "job-program.jar"
    manifest = "Manifest-Version: 1.0\n\n"
    within = [
        Entry(
            f"lib/{path.name}", stat.S_IFREG | 0o644, OnDisk(path, path.stat().st_size), path.name
        )
        for path in (python_jar, *(jar.path for jar in bundle.jars))
    ]
    write_archive(
        [text_entry("META-INF/MANIFEST.MF", manifest, owner="flink-bundler"), *within], program
    )
    return program
