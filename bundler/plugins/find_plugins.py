"""Plugins as files: what archives and folders hold.

Nothing is imported: plugins are described in entry points, in eKuiper's JSON descriptor and in
the source of a namespace package. Running them is the business of ``jobs/flink_plugins``.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bundler.errors import UsageError
from bundler.plugins.plugin_descriptor import PluginDescriptor
from bundler.plugins.plugin_source import LONGEST_SOURCE, classes, read_exports
from bundler.plugins.plugin_tree import Tree, is_zip, trees

_GROUPS = {
    "flink_plugins.source": ("source", "native"),
    "flink_plugins.sink": ("sink", "native"),
    "flink_plugins.function": ("function", "native"),
    "sinetstream.reader": ("source", "sinetstream"),
    "sinetstream.async_reader": ("source", "sinetstream"),
    "sinetstream.writer": ("sink", "sinetstream"),
    "sinetstream.async_writer": ("sink", "sinetstream"),
}
EXTENSIONS = "flink_plugins/extensions/"
_LONGEST_ENTRY_POINTS = 1 << 20
_LARGEST_PACKAGE = 16 << 20


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


def find_plugins(path: Path) -> list[FoundPlugin]:
    """All plugins in ``path``: deps.zip, venv.zip, a wheel, a portable plugin, or a folder.

    Zips in it are searched too. Raises UsageError if ``path`` is neither, and for zips,
    descriptors and sources in it that cannot be read.
    """
    if not (path.is_dir() or is_zip(path)):
        raise UsageError(
            f"{path} is neither a folder nor a zip.",
            "Expected deps.zip, venv.zip, a wheel, a portable plugin, or a folder of these.",
            "Give the path of one of these.",
        )
    found = {plugin for tree in trees(path) for plugin in _in_tree(tree, str(tree.path))}
    return sorted(found)


def _in_tree(tree: Tree, shown: str) -> Iterator[FoundPlugin]:
    for name in sorted(tree.names):
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
        parser.read_string(tree.text(name, _LONGEST_ENTRY_POINTS))
    except configparser.Error:
        return
    distribution, _, version = (
        PurePosixPath(name).parent.name.removesuffix(".dist-info").rpartition("-")
    )
    for group, (kind, origin) in _GROUPS.items():
        if parser.has_section(group):
            for plugin in filter(str.isprintable, parser[group]):
                yield FoundPlugin(kind, plugin, origin, version, f"{shown}: {distribution}")


def _portable(descriptor: PluginDescriptor, where: str) -> Iterator[FoundPlugin]:
    for kind, plugin in descriptor.plugins():
        yield FoundPlugin(kind, plugin, "ekuiper", descriptor.version, where, descriptor.conda)


def _extension(tree: Tree, name: str, shown: str) -> Iterator[FoundPlugin]:
    package = name.removesuffix("__init__.py")
    exported, version = read_exports(tree.text(name, LONGEST_SOURCE), f"{shown}: {name}")
    modules = [each for each in tree.names if each.startswith(package) and each.endswith(".py")]
    if sum(map(tree.size, modules)) > _LARGEST_PACKAGE:
        raise UsageError(
            f"{shown}: {package} has more than {_LARGEST_PACKAGE:,} bytes of source.",
            "Expected the package of a plugin.",
            "Move what is not part of the plugin to a package of its own.",
        )
    kinds = {}
    for module in modules:
        kinds.update(classes(tree.text(module, LONGEST_SOURCE), f"{shown}: {module}"))
    for plugin in exported:
        if plugin in kinds:
            yield FoundPlugin(kinds[plugin], plugin, "extension", version, f"{shown}: {package}")


def conda_environments(plugins: list[FoundPlugin]) -> list[str]:
    """The names of the conda environments that plugins ask for."""
    return sorted({plugin.conda for plugin in plugins if plugin.conda})
