"""Requirements added to and removed from what a person wrote; comments and order stay.

``[deps]`` names requirements files or packages. A requirement goes into the first file if there is
one, else into ``packages`` of bundle.toml (or of ``[tool.bundle]`` in pyproject.toml).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import tomlkit
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bundler.errors import UsageError
from bundler.project.tables import FILE_NAME, DepsTable, Project
from bundler.support.files import whole_file

Edit = Callable[[list[str]], list[str]]
"""Requirement lines as they are to those that they become."""


def add_requirements(project: Project, requirements: Sequence[str]) -> tuple[Path, ...]:
    """Add ``requirements``, each in the place of one of that name; the files that were written.

    Raises UsageError if one is not a requirement, or the project has no file to write to.
    """
    added = [_parsed(text) for text in requirements]
    held = _files_by_name(project)
    written: list[Path] = []
    for requirement in added:
        name = canonicalize_name(requirement.name)
        place = held.get(name) or _home(project)
        _rewrite(project, place, partial(_with, requirement))
        written.append(place)
    return tuple(dict.fromkeys(written))


def remove_requirements(project: Project, names: Sequence[str]) -> tuple[Path, ...]:
    """Remove the requirements called ``names``; the files that were written.

    Raises UsageError if one is not there; then nothing is written.
    """
    held = _files_by_name(project)
    wanted = [canonicalize_name(name) for name in names]
    for name, given in zip(wanted, names, strict=True):
        if name not in held:
            raise UsageError(
                f"'{given}' is not a requirement of this project.",
                f"It requires {', '.join(sorted(held)) or 'nothing'}.",
                "Name one of these. Their dependencies are removed with them.",
            )
    places = dict.fromkeys(held[name] for name in wanted)
    for place in places:
        _rewrite(project, place, lambda lines: [x for x in lines if _name_in(x) not in wanted])
    return tuple(places)


@contextmanager
def restored_on_error(project: Project) -> Iterator[None]:
    """Bring the files that this module edits back to what they were if the block fails."""
    deps = project.tables.deps or DepsTable()
    files = [*project.paths(deps.requirements), *([project.file] if project.file else [])]
    before = {file: file.read_bytes() for file in files if file.is_file()}
    try:
        yield
    except BaseException:
        for file, data in before.items():
            if file.read_bytes() != data:
                with whole_file(file) as temporary:
                    temporary.write_bytes(data)
        raise


def _parsed(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(
            f"'{text}' is not a requirement: {str(error).splitlines()[0]}",
            "Expected a name and perhaps a version.",
            "Write it as 'pandas>=2', in quotes.",
        ) from error


def _with(new: Requirement, lines: list[str]) -> list[str]:
    name = canonicalize_name(new.name)
    places = [number for number, line in enumerate(lines) if _name_in(line) == name]
    if not places:
        return [*lines, str(new)]
    first, *others = places
    comment = re.search(r"\s+#.*$", lines[first])
    changed = [*lines]
    changed[first] = f"{new}{comment[0] if comment else ''}"
    return [line for number, line in enumerate(changed) if number not in others]


def _name_in(line: str) -> str | None:
    """The normalized name of the requirement on ``line``; None if it is something else."""
    text = re.sub(r"(^|\s)#.*", "", line).partition(" --")[0].strip()
    try:
        return canonicalize_name(Requirement(text).name)
    except InvalidRequirement:
        return None


def _files_by_name(project: Project) -> dict[str, Path]:
    deps = project.tables.deps or DepsTable()
    found: dict[str, Path] = {}
    for file in project.paths(deps.requirements):
        for line in _text_of(file).splitlines():
            if name := _name_in(line):
                found.setdefault(name, file)
    for package in deps.packages:
        found.setdefault(canonicalize_name(Requirement(package).name), _own_file(project))
    return found


def _home(project: Project) -> Path:
    deps = project.tables.deps or DepsTable()
    files = project.paths(deps.requirements)
    return files[0] if files else _own_file(project)


def _own_file(project: Project) -> Path:
    if project.file is None:
        raise UsageError(
            f"{project.folder} has no {FILE_NAME}.",
            "Expected a project to add requirements to.",
            "Run `bundle init`, or choose another folder with --project.",
        )
    return project.file


def _rewrite(project: Project, place: Path, edit: Edit) -> None:
    text = _text_of(place)
    if place == project.file:
        text = _with_packages(text, edit, place.name == "pyproject.toml")
    else:
        lines = edit(text.splitlines())
        text = "".join(f"{line}\n" for line in lines)
    with whole_file(place) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _with_packages(text: str, edit: Edit, shared: bool) -> str:
    document = tomlkit.parse(text)
    table: Any = document
    for key in (*(("tool", "bundle") if shared else ()), "deps"):
        if key not in table:
            table[key] = tomlkit.table()
        table = table[key]
    packages = table.get("packages")
    if packages is None:
        packages = table["packages"] = tomlkit.array()
    old = [str(item) for item in packages]
    new = edit(old)
    if len(new) == len(old):
        for index, item in enumerate(new):
            if item != old[index]:
                packages[index] = item
    else:
        for index in reversed(range(len(old))):
            if old[index] not in new:
                packages.pop(index)
        for item in new:
            if item not in old:
                packages.append(item)
    return tomlkit.dumps(document)


def _text_of(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} cannot be read: {error}.",
            "Expected a text file in UTF-8.",
            "Check deps.requirements in bundle.toml.",
        ) from error
