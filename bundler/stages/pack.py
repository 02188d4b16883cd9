"""From wheels, a base and data folders to the finished archives."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bundler.archive.entry import Entry, text_entry
from bundler.archive.merge import merge
from bundler.archive.read import tree_entries
from bundler.archive.wheel import Layout, prefix_layout, target_layout, wheel_entries
from bundler.archive.writer import Archive, write_archive
from bundler.base.model import Base
from bundler.errors import UsageError
from bundler.session import Session
from bundler.slim.rules import slim
from bundler.support.progress import SILENT, Progress
from bundler.target import Target
from bundler.wheels.obtain import Wheel

PREFIX = "venv"
CODE = "job-code"
"""The folder beside the unpacked archives with a job's own Python files."""


@dataclass(frozen=True, slots=True)
class Packed:
    """One archive of a build: its ``kind`` (venv, deps, data), the distributions in it by
    normalized name, and the ``seconds`` that writing took.

    ``unversioned`` are those of the distributions whose version the lock does not say; ``python``
    is the full version of the Python in a venv.zip.
    """

    kind: str
    archive: Archive
    seconds: float
    packages: Mapping[str, str] = field(default_factory=dict)
    executable: str | None = None
    unversioned: frozenset[str] = frozenset()
    python: str = ""


def executable_in(archive_name: str, base_executable: str) -> str:
    """The interpreter as a worker names it, once it has unpacked the archive."""
    return f"{archive_name}/{PREFIX}/{base_executable}"


def pack_venv(
    base: Base,
    wheels: Sequence[Wheel],
    target: Target,
    out: Path,
    *,
    rules: Sequence[str],
    session: Session,
) -> Packed:
    """venv.zip: the base below ``venv/``, with ``wheels`` installed in it.

    Raises BuildError if two of them own one file with different bytes, UsageError for an unknown
    slimming rule or when ``out`` cannot be written.
    """
    started = time.monotonic()
    layout = prefix_layout(PREFIX, base.site_packages, base.executable, target.python_minor)
    prefix = [entry.renamed(f"{PREFIX}/{entry.name}") for entry in base.entries]
    prefix.append(_beside(base))
    packages = {**dict(base.distributions), **{wheel.name: wheel.version for wheel in wheels}}
    manifest = _manifest("venv", target, packages, rules) | {
        "base": base.kind,
        "python": base.python_version,
        "executable": f"{PREFIX}/{base.executable}",
        "glibc": ".".join(str(part) for part in base.glibc),
    }
    entries = _spliced([prefix], wheels, layout, rules, session)
    archive = write_archive(entries, out, manifest=manifest, progress=session.progress)
    executable = executable_in(out.name, base.executable)
    seconds = time.monotonic() - started
    return Packed("venv", archive, seconds, packages, executable, python=base.python_version)


def _beside(base: Base) -> Entry:
    """Has the interpreter find what is beside the unpacked venv.zip.

    In thread mode ``python.pythonpath`` does not do: its relative paths are put on sys.path before
    Flink changes to the folder that they start from, and Python keeps in mind that nothing is there
    (seen on 1.20.5 to 2.3.0).
    """
    site_packages = f"{PREFIX}/{base.site_packages}"
    up = "../" * (site_packages.count("/") + 2)
    text = "".join(f"{up}{name}\n" for name in (CODE, "deps.zip"))
    return text_entry(f"{site_packages}/flink_bundler.pth", text, owner="flink-bundler")


def pack_deps(
    wheels: Sequence[Wheel],
    target: Target,
    out: Path,
    *,
    rules: Sequence[str],
    session: Session,
) -> Packed:
    """deps.zip: ``wheels`` at its root, as ``pip install --target`` lays them out.

    Raises as `pack_venv`.
    """
    started = time.monotonic()
    packages = {wheel.name: wheel.version for wheel in wheels}
    entries = _spliced([], wheels, target_layout(), rules, session)
    manifest = _manifest("deps", target, packages, rules)
    archive = write_archive(entries, out, manifest=manifest, progress=session.progress)
    return Packed("deps", archive, time.monotonic() - started, packages)


def pack_data(paths: Sequence[Path], out: Path, *, progress: Progress = SILENT) -> Packed:
    """A data archive: each file or folder of ``paths`` at its root, under its own name.

    Raises UsageError if a path does not exist or holds ``out``, BuildError if two different ones
    have one name.
    """
    started = time.monotonic()
    for path in paths:
        if out.resolve().is_relative_to(path.resolve()):
            raise UsageError(
                f"{out} is part of {path}, which goes into it.",
                "The next archive would contain this one.",
                "Choose another place with -o, or name the files and folders one by one.",
            )
    groups = [tree_entries(path, path.resolve().name, str(path)) for path in paths]
    archive = write_archive(merge(groups), out, manifest={"kind": "data"}, progress=progress)
    return Packed("data", archive, time.monotonic() - started)


def _spliced(
    groups: Iterable[Sequence[Entry]],
    wheels: Sequence[Wheel],
    layout: Layout,
    rules: Sequence[str],
    session: Session,
) -> list[Entry]:
    spliced = [
        wheel_entries(wheel.path, layout, f"{wheel.name} {wheel.version}") for wheel in wheels
    ]
    return slim(merge([*groups, *spliced]), rules, cache=session.cache, progress=session.progress)


def _manifest(
    kind: str, target: Target, packages: Mapping[str, str], rules: Sequence[str]
) -> dict[str, object]:
    return {
        "kind": kind,
        "target": {
            "flink": target.flink,
            "python": target.python,
            "platform": target.platform,
        },
        "packages": dict(sorted(packages.items())),
        "slim": sorted(rules),
    }
