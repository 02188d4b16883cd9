"""The JSON descriptor of an eKuiper portable plugin, checked before anything is made of it.

Format: eKuiper's documentation of portable plugins, and the structure that it reads the file into.
Like eKuiper, this ignores keys that it does not know.
"""

from __future__ import annotations

import json
import os
import zipfile
from typing import Any, Dict, NamedTuple, Optional, Tuple

from flink_plugins.adapters.archives import is_inside, opened, read_member
from flink_plugins.errors import PluginError, PluginNotFoundError
from flink_plugins.files import read_bounded

LONGEST_DESCRIPTOR = 1 << 16
LONGEST_NAME = 255
MOST_SYMBOLS = 1000


class Descriptor(NamedTuple):
    """What the JSON file of a portable plugin says.

    ``executable`` is a path inside of the plugin; ``conda_env`` is "" without a conda environment.
    """

    name: str
    version: str
    executable: str
    conda_env: str
    sources: Tuple[str, ...]
    sinks: Tuple[str, ...]
    functions: Tuple[str, ...]


class _WrongError(ValueError):
    """What is wrong with a descriptor."""


def _symbol(value: Any, key: str) -> str:
    if not isinstance(value, str) or not value or len(value) > LONGEST_NAME:
        raise _WrongError(f"'{key}' holds {_short(value)}, which is not a name")
    if not value.isprintable():
        raise _WrongError(f"'{key}' holds the name {_short(value)} with a control character")
    return value


def _short(value: Any) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _symbols(content: Dict[str, Any], key: str) -> Tuple[str, ...]:
    names = content.get(key)
    if names is None:
        return ()
    if not isinstance(names, list):
        raise _WrongError(f"'{key}' is {_short(names)}, not a list of names")
    if len(names) > MOST_SYMBOLS:
        raise _WrongError(f"'{key}' has {len(names)} names; the limit is {MOST_SYMBOLS}")
    return tuple(_symbol(name, key) for name in names)


def _text(content: Dict[str, Any], key: str) -> str:
    value = content.get(key)
    return "" if value is None or value == "" else _symbol(value, key)


def parse_descriptor(name: str, text: bytes, where: str) -> Descriptor:
    """Read the descriptor ``<name>.json``. Raises PluginError that names ``where``."""
    try:
        content = json.loads(text.decode("utf-8"))
        if not isinstance(content, dict):
            raise _WrongError(f"it is {_short(content)}")
        if content.get("language") != "python":
            raise PluginError(
                f"{where}: the plugin is written in {_short(content.get('language'))}. Only Python "
                "plugins run in a PyFlink job."
            )
        executable = _symbol(content.get("executable"), "executable")
        if not is_inside(executable):
            raise _WrongError(
                f"the executable {_short(executable)} is not a path inside of the plugin"
            )
        conda = _text(content, "env") if content.get("virtualEnvType") == "conda" else ""
        return Descriptor(
            name,
            _text(content, "version"),
            executable,
            conda,
            _symbols(content, "sources"),
            _symbols(content, "sinks"),
            _symbols(content, "functions"),
        )
    except (ValueError, RecursionError) as error:
        raise PluginError(
            f"{where}: {name}.json is not the descriptor of a portable plugin: {error}. Expected "
            "an object with version, language, executable, sources, sinks and functions."
        ) from error


def read_descriptor(path: str) -> Descriptor:
    """The descriptor of the plugin at ``path``, a zip or a folder.

    It is the JSON file at the top whose executable is in the plugin. Raises PluginError when there
    is none.
    """
    if os.path.isdir(path):
        return _chosen(path, _texts_of_folder(path), lambda name: _is_file(path, name))
    if not os.path.isfile(path) or not zipfile.is_zipfile(path):
        raise PluginNotFoundError(f"{path!r} is neither a folder nor a zip.")
    with opened(path) as archive:
        names = set(archive.namelist())
        texts = {
            name: read_member(archive, name, LONGEST_DESCRIPTOR)
            for name in sorted(names)
            if name.endswith(".json") and "/" not in name
        }
    return _chosen(path, texts, names.__contains__)


def _texts_of_folder(path: str) -> Dict[str, bytes]:
    return {
        name: read_bounded(os.path.join(path, name), LONGEST_DESCRIPTOR)
        for name in sorted(os.listdir(path))
        if name.endswith(".json")
    }


def _is_file(folder: str, name: str) -> bool:
    return os.path.isfile(os.path.join(folder, name))


def _chosen(path: str, texts: Dict[str, bytes], has: Any) -> Descriptor:
    first: Optional[PluginError] = None
    for name, text in texts.items():
        try:
            descriptor = parse_descriptor(name[: -len(".json")], text, path)
        except PluginError as error:
            first = first or error
            continue
        if has(descriptor.executable):
            return descriptor
        first = first or PluginError(
            f"{path}: {name} names the executable '{descriptor.executable}', which is not in the "
            "plugin."
        )
    raise first or PluginError(
        f"{path}: no JSON descriptor at the top. Expected <plugin name>.json beside the script."
    )
