"""A plugin as the archive that eKuiper takes."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from pathlib import Path

from bundler.archive.entry import Entry, Inline, OnDisk, text_entry
from bundler.archive.read import tree_entries
from bundler.archive.writer import Archive, write_archive
from bundler.errors import UsageError
from bundler.plugins.find_plugins import EXTENSIONS, FoundPlugin, find_plugins
from bundler.plugins.plugin_descriptor import LONGEST_DESCRIPTOR, SECTIONS, parse_descriptor
from bundler.plugins.plugin_source import LONGEST_SOURCE, read_exports
from bundler.support.files import read_bounded

_MAIN = Path(__file__).with_name("portable_main.py.txt")


def pack_plugin(folder: Path, out: Path | None = None) -> Archive:
    """Make the zip that eKuiper installs of a portable plugin's folder or a scaffolded project.

    Of a project only the plugin's package goes in, under its own name, with a script and a
    descriptor made for it. ``out`` is by default ``<name>.zip`` in the working folder: eKuiper
    takes the name of the plugin from that of the zip. The same files give the same bytes. Symlinks
    become the files that they point to, since eKuiper makes none.

    Raises UsageError if ``folder`` holds no plugin, or a descriptor names what is not there.
    """
    packages = sorted((folder / EXTENSIONS).glob("*/__init__.py"))
    name, entries = _project_entries(packages[0].parent) if packages else _portable_entries(folder)
    return write_archive(entries, out or Path(f"{name}.zip"))


def _portable_entries(folder: Path) -> tuple[str, list[Entry]]:
    for path in sorted(folder.glob("*.json")):
        descriptor = parse_descriptor(read_bounded(path, LONGEST_DESCRIPTOR), str(path))
        if descriptor is None:
            continue
        if not (folder / descriptor.executable).is_file():
            raise UsageError(
                f"{path} names the executable '{descriptor.executable}'.",
                "Expected that file beside the descriptor.",
                "Change 'executable', or add the file.",
            )
        return path.stem, _files(folder, "")
    raise UsageError(
        f"{folder} has no plugin.",
        "Expected eKuiper's JSON descriptor, or flink_plugins/extensions/<name>.",
        "Create one with: bundle plugin new NAME",
    )


def _files(folder: Path, prefix: str) -> list[Entry]:
    entries = [each for each in tree_entries(folder, prefix) if not _is_by_product(each.name)]
    return [_followed(each, folder, prefix) if each.is_symlink else each for each in entries]


def _is_by_product(name: str) -> bool:
    return "__pycache__" in name or name.startswith((".", "tests/")) or name.endswith(".zip")


def _followed(entry: Entry, folder: Path, prefix: str) -> Entry:
    path = (folder / entry.name.removeprefix(f"{prefix}/" if prefix else "")).resolve()
    if not path.is_file():
        raise UsageError(
            f"{path} is a folder that the symlink {entry.name} points to.",
            "Expected files, and symlinks to files: eKuiper makes no symlinks.",
            "Replace the symlink by the folder.",
        )
    return replace(entry, mode=stat.S_IFREG | 0o644, content=OnDisk(path, path.stat().st_size))


def _project_entries(package: Path) -> tuple[str, list[Entry]]:
    name = package.name
    if not name.isidentifier():
        raise UsageError(
            f"{str(package)!r} is not a name that Python can import.",
            "Expected letters, digits and '_'.",
            "Rename the folder.",
        )
    found = [
        plugin
        for plugin in find_plugins(package.parents[2])
        if plugin.origin == "extension" and plugin.where.endswith(f"{EXTENSIONS}{name}/")
    ]
    if not found:
        raise UsageError(
            f"{package} exports no plugin.",
            "Expected classes with a plugin's methods, listed in __all__.",
            "List them in __init__.py.",
        )
    init = package / "__init__.py"
    source = read_bounded(init, LONGEST_SOURCE, "Python source").decode("utf-8", "replace")
    _, version = read_exports(source, str(init))
    descriptor: dict[str, object] = {
        "version": f"v{version.removeprefix('v') or '0.0.0'}",
        "language": "python",
        "executable": f"{name}_main.py",
    }
    for section, kind in SECTIONS:
        descriptor[section] = [plugin.name for plugin in found if plugin.kind == kind]
    return name, [
        *(_renamed_imports(entry, name) for entry in _files(package, name)),
        text_entry(f"{name}.json", json.dumps(descriptor, indent=2) + "\n"),
        text_entry(f"{name}_main.py", _main_script(name, found)),
    ]


def _main_script(name: str, found: list[FoundPlugin]) -> str:
    """The script that eKuiper starts; both names are names of Python, so they are put in as is."""
    text = _MAIN.read_text(encoding="utf-8").replace("@NAME@", name)
    for section, kind in SECTIONS:
        makers = (f'"{each.name}": {name}.{each.name}' for each in found if each.kind == kind)
        text = text.replace(f"@{section.upper()}@", ", ".join(makers))
    return text


def _renamed_imports(entry: Entry, name: str) -> Entry:
    """In eKuiper there is no ``flink_plugins``: the package stands alone."""
    if not entry.name.endswith(".py") or not isinstance(entry.content, OnDisk):
        return entry
    source = read_bounded(entry.content.path, LONGEST_SOURCE, "Python source")
    renamed = source.replace(f"flink_plugins.extensions.{name}".encode(), name.encode())
    return replace(entry, content=Inline(renamed))
