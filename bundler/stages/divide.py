"""Which archive a wheel goes into: the parts of one import package stay together.

A regular package is found where its ``__init__.py`` is: what another distribution adds to it
(ruamel.yaml.string to ruamel.yaml) is not found in another archive. Namespace packages may be
divided: Python puts them together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from bundler.archive.read import zip_entries
from bundler.wheels.obtain import Wheel


@dataclass(frozen=True, slots=True)
class _Contents:
    """The regular packages of a wheel, as folders, and all folders with modules of it."""

    packages: frozenset[str]
    folders: frozenset[str]


def keep_packages_whole(
    venv: Sequence[Wheel], deps: Sequence[Wheel]
) -> tuple[list[Wheel], list[Wheel]]:
    """The wheels of venv.zip and of deps.zip, once those of ``deps`` that add to a package of
    ``venv``, or whose package ``venv`` adds to, are moved to ``venv``."""
    inside, outside = list(venv), list(deps)
    contents = {wheel.path: _contents(wheel) for wheel in (*venv, *deps)}
    moved = True
    while moved:
        moved = False
        for wheel in list(outside):
            if any(_share(contents[wheel.path], contents[other.path]) for other in inside):
                outside.remove(wheel)
                inside.append(wheel)
                moved = True
    return sorted(inside, key=lambda wheel: wheel.name), outside


def _share(one: _Contents, other: _Contents) -> bool:
    return bool(one.packages & other.folders or other.packages & one.folders)


def _contents(wheel: Wheel) -> _Contents:
    packages: set[str] = set()
    folders: set[str] = set()
    for entry in zip_entries(wheel.path):
        path = PurePosixPath(entry.name)
        if ".dist-info" in path.parts[0] or path.parts[0].endswith(".data"):
            continue
        if path.suffix in (".py", ".so", ".pyd"):
            folders.update(str(folder) for folder in path.parents if str(folder) != ".")
            if path.name == "__init__.py":
                packages.add(str(path.parent))
    return _Contents(frozenset(packages), frozenset(folders))
