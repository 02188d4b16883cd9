"""Plugins as files: finding them in archives and folders, making new ones, packing them.

Nothing is imported: plugins are described in entry points, in eKuiper's JSON descriptor and in
the source of a namespace package. Running them is the business of ``jobs/flink_plugins``.
"""

from __future__ import annotations

import ast
import configparser
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from bundler.errors import UsageError

_GROUPS = {
    "flink_plugins.source": ("source", "native"),
    "flink_plugins.sink": ("sink", "native"),
    "flink_plugins.function": ("function", "native"),
    "sinetstream.reader": ("source", "sinetstream"),
    "sinetstream.async_reader": ("source", "sinetstream"),
    "sinetstream.writer": ("sink", "sinetstream"),
    "sinetstream.async_writer": ("sink", "sinetstream"),
}
_METHODS = (("sink", "collect"), ("function", "exec"), ("source", "open"))
EXTENSIONS = "flink_plugins/extensions/"
_LONGEST_DESCRIPTOR = 1 << 16
_LARGEST_PLUGIN = 1 << 26
SECTIONS = (("sources", "source"), ("sinks", "sink"), ("functions", "function"))


@dataclass(frozen=True, slots=True, order=True)
class FoundPlugin:
    """One plugin and where it was found.

    ``kind`` is "source", "sink" or "function"; ``origin`` "native", "extension", "ekuiper" or
    "sinetstream"; ``where`` the archive or folder, and the place in it; ``conda`` the conda
    environment that an eKuiper plugin asks for, or "".
    """

    kind: str
    name: str
    origin: str
    version: str
    where: str
    conda: str = ""


class Tree:
    """The files of a folder, or of a zip; ``path`` is where it lies."""

    def __init__(self, path: Path, archive: zipfile.ZipFile | None = None) -> None:
        self.path = path
        self._zip = archive
        if archive is not None:
            self.names = [name for name in archive.namelist() if not name.endswith("/")]
        else:
            self.names = [
                file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()
            ]

    def text(self, name: str) -> str:
        """What the file ``name`` says."""
        data = self._zip.read(name) if self._zip else (self.path / name).read_bytes()
        return data.decode("utf-8", "replace")

    def size(self, name: str) -> int:
        """The size of the file ``name`` in bytes."""
        if self._zip:
            return self._zip.getinfo(name).file_size
        return (self.path / name).stat().st_size

    def descriptors(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The JSON descriptors of eKuiper's plugins whose script is there: name and content."""
        for name in self.names:
            if not name.endswith(".json") or ".dist-info/" in name:
                continue
            # Archives hold JSON of other kinds too, and much of it.
            if self.size(name) > _LONGEST_DESCRIPTOR:
                continue
            descriptor = parse_descriptor(self.text(name))
            if descriptor is not None:
                script = PurePosixPath(name).parent / descriptor["executable"]
                if script.as_posix() in self.names:
                    yield name, descriptor


def trees(path: Path) -> Iterator[Tree]:
    """The folder ``path`` and each zip in it, or the zip ``path``; nothing of others.

    Zips in a zip, as plugins are in a data archive, are opened too.
    """
    if path.is_dir():
        yield Tree(path)
    for file in sorted(path.rglob("*.zip")) if path.is_dir() else [path]:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                yield Tree(file, archive)
                for name in archive.namelist():
                    if name.endswith(".zip") and archive.getinfo(name).file_size <= _LARGEST_PLUGIN:
                        yield from _nested(file / name, archive.read(name))


def _nested(path: Path, data: bytes) -> Iterator[Tree]:
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield Tree(path, archive)


def find_plugins(path: Path) -> list[FoundPlugin]:
    """All plugins in ``path``: deps.zip, venv.zip, a wheel, a portable plugin, or a folder.

    Zips in it are searched too. Raises UsageError if ``path`` is neither.
    """
    if not (path.is_dir() or (path.is_file() and zipfile.is_zipfile(path))):
        raise UsageError(
            f"{path} is neither a folder nor a zip.",
            "Expected deps.zip, venv.zip, a wheel, a portable plugin, or a folder of these.",
            "Give the path of one of these.",
        )
    found = {plugin for tree in trees(path) for plugin in _in_tree(tree, str(tree.path))}
    return sorted(found)


def _in_tree(tree: Tree, shown: str) -> Iterator[FoundPlugin]:
    for name in tree.names:
        path = PurePosixPath(name)
        if path.name == "entry_points.txt" and path.parent.name.endswith(".dist-info"):
            yield from _entry_points(tree, name, shown)
        elif re.search(rf"(^|/){EXTENSIONS}[^/]+/__init__\.py$", name):
            yield from _extension(tree, name, shown)
    for name, descriptor in tree.descriptors():
        yield from _portable(descriptor, f"{shown}: {name}")


def _entry_points(tree: Tree, name: str, shown: str) -> Iterator[FoundPlugin]:
    parser = configparser.ConfigParser(delimiters=("=",), strict=False)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # names keep their case
    try:
        parser.read_string(tree.text(name))
    except configparser.Error:
        return
    distribution, _, version = (
        PurePosixPath(name).parent.name.removesuffix(".dist-info").rpartition("-")
    )
    for group, (kind, origin) in _GROUPS.items():
        if parser.has_section(group):
            for plugin in parser[group]:
                yield FoundPlugin(kind, plugin, origin, version, f"{shown}: {distribution}")


def _portable(descriptor: dict[str, Any], where: str) -> Iterator[FoundPlugin]:
    version = str(descriptor.get("version", ""))
    for section, kind in SECTIONS:
        for plugin in descriptor.get(section) or ():
            yield FoundPlugin(
                kind, str(plugin), "ekuiper", version, where, conda_environment(descriptor)
            )


def conda_environment(descriptor: dict[str, Any]) -> str:
    """The conda environment that the descriptor of a portable plugin asks for, or ""."""
    asked = descriptor.get("env") if descriptor.get("virtualEnvType") == "conda" else None
    return str(asked or "")


def parse_descriptor(text: str) -> dict[str, Any] | None:
    """eKuiper's JSON descriptor of a portable plugin; None if ``text`` is something else."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("language") != "python":
        return None
    return content if isinstance(content.get("executable"), str) else None


def _extension(tree: Tree, name: str, shown: str) -> Iterator[FoundPlugin]:
    package = name.removesuffix("__init__.py")
    exported, version = read_exports(tree.text(name))
    kinds = {}
    for module in tree.names:
        if module.startswith(package) and module.endswith(".py"):
            kinds.update(_classes(tree.text(module)))
    for plugin in exported:
        if plugin in kinds:
            yield FoundPlugin(kinds[plugin], plugin, "extension", version, f"{shown}: {package}")


def _parsed(source: str) -> ast.Module:
    try:
        return ast.parse(source)
    except SyntaxError:
        return ast.Module([], [])


def read_exports(source: str) -> tuple[list[str], str]:
    """The names in ``__all__`` of a package's ``__init__.py``, and its ``__version__``."""
    names: list[str] = []
    version = ""
    for node in _parsed(source).body:
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        try:
            value = ast.literal_eval(node.value)
        except ValueError:
            continue
        if node.targets[0].id == "__all__":
            names = [str(each) for each in value]
        elif node.targets[0].id == "version":
            version = str(value)
    return names, version


def _classes(source: str) -> dict[str, str]:
    kinds = {}
    for node in ast.walk(_parsed(source)):
        if isinstance(node, ast.ClassDef):
            methods = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
            kind = next((kind for kind, method in _METHODS if method in methods), None)
            if kind is not None:
                kinds[node.name] = kind
    return kinds


def conda_environments(plugins: list[FoundPlugin]) -> list[str]:
    """The names of the conda environments that plugins ask for."""
    return sorted({plugin.conda for plugin in plugins if plugin.conda})
