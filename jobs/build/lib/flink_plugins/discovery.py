"""Finding plugins, and making one on the worker that runs it.

What crosses from the client to the workers is a `PluginRef`: names only. The plugin's files reach
the workers in an archive or in ``python.files``, and are found there under the same name.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from flink_plugins.errors import PluginNotFoundError

SOURCE = "source"
SINK = "sink"
FUNCTION = "function"
KINDS = (SOURCE, SINK, FUNCTION)

NATIVE = "native"
EXTENSION = "extension"
EKUIPER = "ekuiper"
SINETSTREAM = "sinetstream"

_SINETSTREAM_GROUPS = {
    "sinetstream.reader": SOURCE,
    "sinetstream.async_reader": SOURCE,
    "sinetstream.writer": SINK,
    "sinetstream.async_writer": SINK,
}


class PluginRef(NamedTuple):
    """One plugin: its ``kind``, its ``name`` in a pipeline, and where it comes from.

    ``origin`` is "native", "extension", "ekuiper" or "sinetstream"; ``target`` is what loads it
    ("module:attribute", the path of an eKuiper plugin, or a SINETStream type); ``where`` says for
    people where it was found, and ``version`` may be "".
    """

    kind: str
    name: str
    origin: str
    target: str
    where: str = ""
    version: str = ""


def _entry_points() -> Iterator[Tuple[str, str, str, str, str]]:
    """Group, name, value, distribution and version of every installed entry point of ours."""
    try:
        from importlib import metadata
    except ImportError:  # Python 3.7
        import pkg_resources

        for distribution in pkg_resources.working_set:
            for group, points in distribution.get_entry_map().items():
                for name, point in points.items():
                    value = str(point).split("=", 1)[1].split("[")[0].strip()
                    yield group, name, value, distribution.project_name, distribution.version
        return
    seen = set()
    for distribution in metadata.distributions():
        name_of = distribution.metadata["Name"]
        if name_of in seen:
            continue
        seen.add(name_of)
        for point in distribution.entry_points:
            yield point.group, point.name, point.value, name_of, distribution.version


def installed() -> List[PluginRef]:
    """All plugins that distributions on the path offer, in the order of their names."""
    found = set()
    for group, name, value, distribution, version in _entry_points():
        where = "{} (entry point {})".format(distribution, group)
        if group.startswith("flink_plugins.") and group.split(".", 1)[1] in KINDS:
            kind = group.split(".", 1)[1]
            found.add(PluginRef(kind, name, NATIVE, value, where, version))
        elif group in _SINETSTREAM_GROUPS:
            kind = _SINETSTREAM_GROUPS[group]
            where = "{} (entry points sinetstream.*)".format(distribution)
            found.add(PluginRef(kind, name, SINETSTREAM, name, where, version))
    found.update(_extensions())
    return sorted(found)


def _extensions() -> Iterator[PluginRef]:
    try:
        package = importlib.import_module("flink_plugins.extensions")
    except ImportError:
        return
    for module_info in pkgutil.iter_modules(package.__path__):
        module_name = "flink_plugins.extensions." + module_info.name
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", ()):
            kind = kind_of(getattr(module, name))
            if kind is not None:
                yield PluginRef(
                    kind,
                    name,
                    EXTENSION,
                    "{}:{}".format(module_name, name),
                    module_name,
                    str(getattr(module, "version", "")),
                )


def kind_of(plugin: Any) -> Optional[str]:
    """The kind of a plugin class or object, by the methods it has; None if it is no plugin."""
    if callable(getattr(plugin, "collect", None)) and callable(getattr(plugin, "configure", None)):
        return SINK
    if callable(getattr(plugin, "exec", None)) and callable(getattr(plugin, "validate", None)):
        return FUNCTION
    if callable(getattr(plugin, "open", None)) and callable(getattr(plugin, "configure", None)):
        return SOURCE
    return None


def locate(path: str, beside: Iterable[str] = ()) -> str:
    """The absolute path of a file or folder that a pipeline names.

    A relative path is looked up in ``beside``, in the working folder (where Flink unpacks
    ``python.archives``) and in every folder of ``sys.path`` (where it unpacks ``python.files``).
    Raises PluginNotFoundError with the places that were tried.
    """
    roots = [root for root in (*beside, os.environ.get("_PYTHON_WORKING_DIR"), os.getcwd()) if root]
    roots.extend(entry for entry in sys.path if entry)
    # python.files keeps "pysam.zip" as the last part of the folder that it unpacks to.
    for entry in sys.path:
        if os.path.basename(entry) == path and os.path.isdir(entry):
            return os.path.abspath(entry)
    for root in roots:
        candidate = os.path.join(root, path)
        if os.path.exists(candidate):
            return os.path.abspath(candidate)
    raise PluginNotFoundError(
        "'{}' is not there. Looked in {}. Put it into an archive (bundle data) or into "
        "python.files, and name it as it lies there.".format(path, ", ".join(roots[:3]))
    )


def portable(path: str, beside: Iterable[str] = ()) -> List[PluginRef]:
    """The sources, sinks and functions of one eKuiper portable plugin, a zip or a folder."""
    from flink_plugins.adapters import ekuiper

    descriptor = ekuiper.read_descriptor(locate(path, beside))
    refs = []
    for kind, names in (
        (SOURCE, descriptor.sources),
        (SINK, descriptor.sinks),
        (FUNCTION, descriptor.functions),
    ):
        for name in names:
            refs.append(PluginRef(kind, name, EKUIPER, path, path, descriptor.version))
    return refs


class Registry:
    """The plugins that a pipeline can name: the installed ones, and portable ones given by path."""

    def __init__(self, refs: Iterable[PluginRef]) -> None:
        self._refs = {}  # type: Dict[Tuple[str, str], List[PluginRef]]
        for ref in refs:
            self._refs.setdefault((ref.kind, ref.name), []).append(ref)

    def find(self, kind: str, name: str) -> PluginRef:
        """The plugin ``name``; "origin:name" chooses one of several, "module:Class" needs no name.

        Raises PluginNotFoundError that lists what there is.
        """
        origin, _, rest = name.partition(":")
        if rest and origin in (NATIVE, EXTENSION, EKUIPER, SINETSTREAM):
            if origin == SINETSTREAM:
                return PluginRef(kind, rest, SINETSTREAM, rest)
            candidates = [ref for ref in self._refs.get((kind, rest), []) if ref.origin == origin]
        elif rest:
            return PluginRef(kind, rest, NATIVE, name, "named in the pipeline")
        elif name == SINETSTREAM and kind != FUNCTION:
            return PluginRef(kind, SINETSTREAM, SINETSTREAM, "")
        else:
            candidates = self._refs.get((kind, name), [])
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            raise PluginNotFoundError(
                "There are several {}s called '{}': {}. Say which with 'origin:name'.".format(
                    kind, name, ", ".join(ref.where for ref in candidates)
                )
            )
        known = sorted({found for of, found in self._refs if of == kind})
        raise PluginNotFoundError(
            "There is no {} called '{}'. Known: {}. Is its distribution in deps.zip, or its path "
            "under 'plugins' in the pipeline?".format(kind, name, ", ".join(known) or "none")
        )


def load(ref: PluginRef) -> Any:
    """Make a new plugin. Raises PluginNotFoundError, or what the plugin's own code raises."""
    if ref.origin == EKUIPER:
        from flink_plugins.adapters import ekuiper

        return ekuiper.load(ref.kind, ref.name, locate(ref.target))
    if ref.origin == SINETSTREAM:
        from flink_plugins.adapters import sinetstream

        make = sinetstream.source if ref.kind == SOURCE else sinetstream.sink
        return make(ref.target)
    module_name, _, attribute = ref.target.partition(":")
    try:
        plugin = importlib.import_module(module_name)  # type: Any
        for part in attribute.split("."):
            plugin = getattr(plugin, part)
    except (ImportError, AttributeError) as error:
        raise PluginNotFoundError(
            "{} '{}' could not be loaded from {}: {}. Is its distribution in deps.zip?".format(
                ref.kind, ref.name, ref.target, error
            )
        ) from error
    return plugin()
