"""A plugin as the archive that eKuiper takes."""

from __future__ import annotations

import json
from pathlib import Path

from bundler.archive.entry import Entry, Inline, text_entry
from bundler.archive.read import tree_entries
from bundler.archive.writer import Archive, write_archive
from bundler.errors import UsageError
from bundler.plugins.find_plugins import (
    EXTENSIONS,
    SECTIONS,
    find_plugins,
    parse_descriptor,
    read_exports,
)


def pack_plugin(folder: Path, out: Path | None = None) -> Archive:
    """Make the zip that eKuiper installs of a portable plugin's folder or a scaffolded project.

    Of a project only the plugin's package goes in, under its own name, with a script and a
    descriptor made for it. ``out`` is by default ``<name>.zip`` in the working folder: eKuiper
    takes the name of the plugin from that of the zip. The same files give the same bytes.

    Raises UsageError if ``folder`` holds no plugin, or a descriptor names what is not there.
    """
    packages = sorted((folder / EXTENSIONS).glob("*/__init__.py"))
    name, entries = _project_entries(packages[0].parent) if packages else _portable_entries(folder)
    return write_archive(entries, out or Path(f"{name}.zip"))


def _portable_entries(folder: Path) -> tuple[str, list[Entry]]:
    for path in sorted(folder.glob("*.json")):
        descriptor = parse_descriptor(path.read_text(encoding="utf-8"))
        if descriptor is None:
            continue
        if not (folder / descriptor["executable"]).is_file():
            raise UsageError(
                f"{path} names the executable '{descriptor['executable']}'.",
                "Expected that file beside the descriptor.",
                "Change 'executable', or add the file.",
            )
        entries = tree_entries(folder)
        return path.stem, [entry for entry in entries if not _is_by_product(entry.name)]
    raise UsageError(
        f"{folder} has no plugin.",
        "Expected eKuiper's JSON descriptor, or flink_plugins/extensions/<name>.",
        "Create one with: bundle plugin new NAME",
    )


def _is_by_product(name: str) -> bool:
    return "__pycache__" in name or name.startswith((".", "tests/")) or name.endswith(".zip")


def _project_entries(package: Path) -> tuple[str, list[Entry]]:
    name = package.name
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
    _, version = read_exports((package / "__init__.py").read_text(encoding="utf-8"))
    descriptor: dict[str, object] = {
        "version": f"v{version.removeprefix('v') or '0.0.0'}",
        "language": "python",
        "executable": f"{name}_main.py",
    }
    tables = []
    for section, kind in SECTIONS:
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
