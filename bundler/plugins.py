"""Plugins as files: finding them in archives and folders, making new ones, packing them.

Nothing is imported: what a plugin is stands in entry points, in eKuiper's JSON descriptor and in
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

from bundler.archive.entry import Entry, Inline, text_entry
from bundler.archive.read import tree_entries
from bundler.archive.writer import Archive, write_archive
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
_EXTENSIONS = "flink_plugins/extensions/"
_LONGEST_DESCRIPTOR = 1 << 16
_LARGEST_PLUGIN = 1 << 26
_SECTIONS = (("sources", "source"), ("sinks", "sink"), ("functions", "function"))


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
            descriptor = _descriptor(self.text(name))
            if descriptor is not None:
                script = PurePosixPath(name).parent / descriptor["executable"]
                if script.as_posix() in self.names:
                    yield name, descriptor


def trees(path: Path) -> Iterator[Tree]:
    """The folder ``path`` and each zip that lies in it, or the zip ``path``; nothing of others.

    Zips in a zip, as plugins lie in a data archive, are opened too.
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

    Zips that lie in it are searched too. Raises UsageError if ``path`` is neither.
    """
    if not (path.is_dir() or (path.is_file() and zipfile.is_zipfile(path))):
        raise UsageError(
            f"{path} is neither a folder nor a zip.",
            "Expected deps.zip, venv.zip, a wheel, a portable plugin, or a folder with such.",
            "Give another path.",
        )
    found = {plugin for tree in trees(path) for plugin in _in_tree(tree, str(tree.path))}
    return sorted(found)


def _in_tree(tree: Tree, shown: str) -> Iterator[FoundPlugin]:
    for name in tree.names:
        path = PurePosixPath(name)
        if path.name == "entry_points.txt" and path.parent.name.endswith(".dist-info"):
            yield from _entry_points(tree, name, shown)
        elif re.search(rf"(^|/){_EXTENSIONS}[^/]+/__init__\.py$", name):
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
    for section, kind in _SECTIONS:
        for plugin in descriptor.get(section) or ():
            yield FoundPlugin(
                kind, str(plugin), "ekuiper", version, where, conda_environment(descriptor)
            )


def conda_environment(descriptor: dict[str, Any]) -> str:
    """The conda environment that the descriptor of a portable plugin asks for, or ""."""
    asked = descriptor.get("env") if descriptor.get("virtualEnvType") == "conda" else None
    return str(asked or "")


def _descriptor(text: str) -> dict[str, Any] | None:
    try:
        content = json.loads(text)
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("language") != "python":
        return None
    return content if isinstance(content.get("executable"), str) else None


def _extension(tree: Tree, name: str, shown: str) -> Iterator[FoundPlugin]:
    package = name.removesuffix("__init__.py")
    exported, version = _exports(tree.text(name))
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


def _exports(source: str) -> tuple[list[str], str]:
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


def pack_plugin(folder: Path, out: Path | None = None) -> Archive:
    """Make the zip that eKuiper installs of a portable plugin's folder or a scaffolded project.

    Of a project only the plugin's package goes in, under its own name, with a script and a
    descriptor made for it. ``out`` is by default ``<name>.zip`` in the working folder: eKuiper
    takes the name of the plugin from that of the zip. The same files give the same bytes.

    Raises UsageError if ``folder`` holds no plugin, or a descriptor names what is not there.
    """
    packages = sorted((folder / _EXTENSIONS).glob("*/__init__.py"))
    name, entries = _project_entries(packages[0].parent) if packages else _portable_entries(folder)
    return write_archive(entries, out or Path(f"{name}.zip"))


def _portable_entries(folder: Path) -> tuple[str, list[Entry]]:
    for path in sorted(folder.glob("*.json")):
        descriptor = _descriptor(path.read_text(encoding="utf-8"))
        if descriptor is None:
            continue
        if not (folder / descriptor["executable"]).is_file():
            raise UsageError(
                f"{path} names the executable '{descriptor['executable']}'.",
                "Expected that file beside the descriptor.",
                "Correct 'executable', or add the file.",
            )
        entries = tree_entries(folder)
        return path.stem, [entry for entry in entries if not _is_by_product(entry.name)]
    raise UsageError(
        f"{folder} holds no plugin.",
        "Expected eKuiper's JSON descriptor, or flink_plugins/extensions/<name>.",
        "Begin one with: bundle plugin new NAME",
    )


def _is_by_product(name: str) -> bool:
    return "__pycache__" in name or name.startswith((".", "tests/")) or name.endswith(".zip")


def _project_entries(package: Path) -> tuple[str, list[Entry]]:
    name = package.name
    found = [
        plugin
        for plugin in find_plugins(package.parents[2])
        if plugin.origin == "extension" and plugin.where.endswith(f"{_EXTENSIONS}{name}/")
    ]
    if not found:
        raise UsageError(
            f"{package} exports no plugin.",
            "Expected classes with a plugin's methods, listed in __all__.",
            "List them in __init__.py.",
        )
    _, version = _exports((package / "__init__.py").read_text(encoding="utf-8"))
    descriptor: dict[str, object] = {
        "version": f"v{version.removeprefix('v') or '0.0.0'}",
        "language": "python",
        "executable": f"{name}_main.py",
    }
    tables = []
    for section, kind in _SECTIONS:
        names = [plugin.name for plugin in found if plugin.kind == kind]
        descriptor[section] = names
        tables.append("{" + ", ".join(f"{each!r}: {name}.{each}" for each in names) + "}")
    script = (
        f"import {name}\nfrom ekuiper import PluginConfig, plugin\n\n"
        f'if __name__ == "__main__":\n'
        f"    plugin.start(PluginConfig({name!r}, {', '.join(tables)}))\n"
    )
    entries = [entry for entry in tree_entries(package, name) if not _is_by_product(entry.name)]
    return name, [
        *(_renamed_imports(entry, name) for entry in entries),
        text_entry(f"{name}.json", json.dumps(descriptor, indent=2) + "\n"),
        text_entry(f"{name}_main.py", script),
    ]


def _renamed_imports(entry: Entry, name: str) -> Entry:
    """In eKuiper there is no ``flink_plugins``: the package stands alone."""
    if not entry.name.endswith(".py") or isinstance(entry.content, Inline):
        return entry
    path = getattr(entry.content, "path", None)
    if not isinstance(path, Path):
        return entry
    source = path.read_text(encoding="utf-8")
    return text_entry(entry.name, source.replace(f"flink_plugins.extensions.{name}", name))


def new_plugin(name: str, folder: Path) -> list[Path]:
    """Write a plugin project that passes its own tests to ``folder``; returns its files.

    Raises UsageError if ``name`` is no Python name in lower case or ``folder`` exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(
            f"'{name}' cannot name a plugin.",
            "Expected lower-case letters, digits and '_', a letter first: it becomes a module.",
            "Choose another name.",
        )
    if folder.exists():
        raise UsageError(
            f"{folder} exists.", "Expected a folder to be made.", "Choose another with -o."
        )
    title = "".join(part.capitalize() for part in name.split("_"))
    template = Path(__file__).with_name("plugin_template")
    written = []
    for source in sorted(template.rglob("*.txt")):
        relative = source.relative_to(template).as_posix().removesuffix(".txt")
        target = folder / relative.replace("NAME", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        target.write_text(text.replace("@NAME@", name).replace("@TITLE@", title), encoding="utf-8")
        written.append(target)
    return written
