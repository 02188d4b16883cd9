"""The conda environment that eKuiper plugins ask for: which one, and the file that describes it.

A descriptor with ``"virtualEnvType": "conda"`` names an environment (``env``) that eKuiper expects
on its own machine. Here it is made from its environment file, which must travel with the plugin.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bundler.errors import UsageError
from bundler.plugins.plugin_tree import Tree, trees
from bundler.project.tables import Project, VenvTable
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.support.files import digest_of, read_bounded, whole_file

_LONGEST = 1 << 20
_FILES = ("environment.yml", "environment.yaml")


def with_conda_of_plugins(project: Project, table: VenvTable, session: Session) -> VenvTable:
    """``table`` with the conda base that the project's plugins ask for, unless it says otherwise.

    The plugins are those of ``table`` and of the data archives; another base, an environment file
    or a prefix overrides what they ask. Raises UsageError as `environment_file` does.
    """
    if table.environment is not None or table.from_prefix is not None:
        return table
    data = [path for archive in project.tables.data.values() for path in archive.paths]
    wishes = conda_requests(project.paths((*table.plugins, *data)), project.folder)
    if not wishes:
        return table
    asked = f"{wishes[0].plugin} asks for the conda environment '{wishes[0].name}'"
    if table.base not in ("auto", "conda"):
        session.progress.note(f"{asked}; the base is {table.base}, as you say.")
        return table
    file = environment_file(wishes, session.cache).absolute()
    session.progress.note(f"{asked}: the base is conda, of {file}.")
    return table.model_copy(update={"base": "conda", "environment": file})


@dataclass(frozen=True, slots=True)
class CondaRequest:
    """A plugin that asks for a conda environment.

    ``plugin`` is the place of its descriptor, ``name`` the environment's. ``found`` is what its
    file says, ``file`` its path: None in a zip. Both are None if there is no file.
    """

    plugin: str
    name: str
    found: str | None = None
    file: Path | None = None


def conda_requests(paths: Iterable[Path], folder: Path) -> list[CondaRequest]:
    """What the portable plugins in ``paths``, folders and zips, ask for.

    An environment's file is called environment.yml, or after the environment, and names that
    environment or none. It is looked for in the plugin, beside it and in ``folder``.
    """
    return [
        _wish(tree, name, environment, folder)
        for path in paths
        for tree in trees(path)
        for name, descriptor in tree.descriptors()
        if (environment := descriptor.conda)
    ]


def _wish(tree: Tree, descriptor: str, environment: str, folder: Path) -> CondaRequest:
    shown = f"{tree.path}: {descriptor}"
    for text, file in _candidates(tree, PurePosixPath(descriptor).parent, environment, folder):
        if _name_in(text) in (None, environment):
            return CondaRequest(shown, environment, text, file)
    return CondaRequest(shown, environment)


def _candidates(
    tree: Tree, inside: PurePosixPath, environment: str, folder: Path
) -> Iterator[tuple[str, Path | None]]:
    names = (*_FILES, f"{environment}.yml", f"{environment}.yaml")
    for name in names:
        if (member := (inside / name).as_posix()) in tree.names:
            yield tree.text(member, _LONGEST), tree.folder / member if tree.folder else None
    beside = (tree.folder / inside).parent if tree.folder else tree.path.parent
    for where in (beside, folder):
        for name in names:
            if (where / name).is_file():
                data = read_bounded(where / name, _LONGEST, "an environment file")
                yield data.decode("utf-8", "replace"), where / name


def _name_in(text: str) -> str | None:
    """The environment's name; the YAML parser comes only with the conda extra."""
    match = re.search(r"(?m)^name:[ \t]*[\"']?([^\s\"'#]+)", text)
    return match[1] if match else None


def environment_file(wishes: list[CondaRequest], cache: Cache) -> Path:
    """The environment file that all ``wishes``, at least one, agree on.

    One in a zip is copied to the cache. Raises UsageError if they ask for different
    environments, or a file is not found.
    """
    first = wishes[0]
    for wish in wishes:
        if wish.found is None:
            raise UsageError(
                f"{wish.plugin} asks for the conda environment '{wish.name}', which no file "
                "describes.",
                f"Expected {_FILES[0]} or {wish.name}.yml of that name in the plugin, beside it, "
                "or in the project.",
                "Write one (conda env export --from-history), give it with --environment or "
                "venv.environment, or choose another --base.",
            )
        if (wish.name, wish.found) != (first.name, first.found):
            raise UsageError(
                f"{first.plugin} asks for the conda environment '{first.name}', {wish.plugin} for "
                + (f"'{wish.name}'." if wish.name != first.name else "another of that name."),
                "A job has one venv.zip, so its plugins share one environment.",
                "Give one that suits all with --environment or venv.environment.",
            )
    if first.file is not None:
        return first.file
    content = str(first.found).encode()
    copy = cache.path("environments", digest_of(content), _FILES[0])
    if not copy.is_file():
        with whole_file(copy) as temporary:
            temporary.write_bytes(content)
    return copy
