"""Finding plugins: the installed ones, and those in the files that a pipeline names."""

from __future__ import annotations

import importlib
import logging
import pkgutil
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from flink_plugins.adapters.descriptor import read_descriptor
from flink_plugins.errors import PluginNotFoundError
from flink_plugins.files import locate
from flink_plugins.refs import (
    EKUIPER,
    EXTENSION,
    FUNCTION,
    KINDS,
    NATIVE,
    ORIGINS,
    SINETSTREAM,
    SINK,
    SOURCE,
    PluginRef,
    kind_of,
)

_log = logging.getLogger("flink_plugins")

_SINETSTREAM_GROUPS = {
    "sinetstream.reader": SOURCE,
    "sinetstream.async_reader": SOURCE,
    "sinetstream.writer": SINK,
    "sinetstream.async_writer": SINK,
}


class _EntryPoint(NamedTuple):
    """An installed entry point, and the distribution that it comes from."""

    group: str
    name: str
    value: str
    distribution: str
    version: str


def _entry_points() -> Iterator[_EntryPoint]:
    try:
        from importlib import metadata  # novm
    except ImportError:  # Python 3.7
        yield from _entry_points_by_setuptools()
        return
    seen = set()
    for distribution in metadata.distributions():
        # A broken distribution, one without metadata, has no name.
        name = distribution.metadata["Name"]
        if name is None or name in seen:
            continue
        seen.add(name)
        for point in distribution.entry_points:
            yield _EntryPoint(point.group, point.name, point.value, name, distribution.version)


def _entry_points_by_setuptools() -> Iterator[_EntryPoint]:
    import pkg_resources

    for distribution in pkg_resources.working_set:
        for group, points in distribution.get_entry_map().items():
            for name, point in points.items():
                value = str(point).split("=", 1)[1].split("[")[0].strip()
                yield _EntryPoint(
                    group, name, value, distribution.project_name, distribution.version
                )


class Installed(NamedTuple):
    """What distributions on the path offer.

    ``refs`` are in the order of their names; ``broken`` says of each extension that does not import
    which it is and why.
    """

    refs: List[PluginRef]
    broken: Tuple[str, ...]


def installed() -> Installed:
    """Look for plugins in every distribution on the path; extensions are imported for it."""
    broken: List[str] = []
    found = set(_extensions(broken))
    for group, name, value, distribution, version in _entry_points():
        if group.startswith("flink_plugins.") and group.split(".", 1)[1] in KINDS:
            kind = group.split(".", 1)[1]
            where = f"{distribution} (entry point {group})"
            found.add(PluginRef(kind, name, NATIVE, value, where, version))
        elif group in _SINETSTREAM_GROUPS:
            kind = _SINETSTREAM_GROUPS[group]
            where = f"{distribution} (entry points sinetstream.*)"
            found.add(PluginRef(kind, name, SINETSTREAM, name, where, version))
    return Installed(sorted(found), tuple(broken))


def _extensions(broken: List[str]) -> Iterator[PluginRef]:
    try:
        package = importlib.import_module("flink_plugins.extensions")
    except ImportError:
        return
    for module_info in pkgutil.iter_modules(package.__path__):
        module_name = f"flink_plugins.extensions.{module_info.name}"
        try:
            yield from _extension(module_name)
        except Exception as error:
            # One of many distributions: a pipeline that does not use it must not fail with it.
            said = f"{module_name} ({error!r})"
            _log.warning("Left out an extension that does not import: %s", said)
            broken.append(said)


def _extension(module_name: str) -> Iterator[PluginRef]:
    module = importlib.import_module(module_name)
    exported = [(name, kind_of(getattr(module, name))) for name in getattr(module, "__all__", ())]
    version = str(getattr(module, "version", ""))
    for name, kind in exported:
        if kind is not None:
            target = f"{module_name}:{name}"
            yield PluginRef(kind, name, EXTENSION, target, module_name, version)


def portable(path: str, beside: Iterable[str] = ()) -> List[PluginRef]:
    """The sources, sinks and functions of one eKuiper portable plugin, a zip or a folder."""
    descriptor = read_descriptor(locate(path, beside))
    return [
        PluginRef(kind, name, EKUIPER, path, path, descriptor.version)
        for kind, names in (
            (SOURCE, descriptor.sources),
            (SINK, descriptor.sinks),
            (FUNCTION, descriptor.functions),
        )
        for name in names
    ]


class Registry:
    """The plugins that a pipeline can name: the installed ones, and portable ones given by path."""

    def __init__(self, refs: Iterable[PluginRef], broken: Tuple[str, ...] = ()) -> None:
        self._broken = broken
        self._refs: Dict[Tuple[str, str], List[PluginRef]] = {}
        for ref in refs:
            self._refs.setdefault((ref.kind, ref.name), []).append(ref)

    def find(self, kind: str, name: str) -> PluginRef:
        """The plugin ``name``; "origin:name" chooses one of several, "module:Class" needs no name.

        Raises PluginNotFoundError that lists what there is.
        """
        origin, _, rest = name.partition(":")
        if not rest:
            if name == SINETSTREAM and kind != FUNCTION:
                return PluginRef(kind, SINETSTREAM, SINETSTREAM, "")
            return self._only(kind, name, None)
        if origin == SINETSTREAM:
            return PluginRef(kind, rest, SINETSTREAM, rest)
        if origin in ORIGINS:
            return self._only(kind, rest, origin)
        return PluginRef(kind, rest, NATIVE, name, "named in the pipeline")

    def _only(self, kind: str, name: str, origin: Optional[str]) -> PluginRef:
        called = self._refs.get((kind, name), [])
        candidates = [ref for ref in called if origin in (None, ref.origin)]
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            places = ", ".join(ref.where for ref in candidates)
            raise PluginNotFoundError(
                f"Several {kind}s are called '{name}': {places}. Choose one with 'origin:name'."
            )
        known = ", ".join(sorted(found for of, found in self._refs if of == kind)) or "none"
        broken = f" Not imported: {', '.join(self._broken)}." if self._broken else ""
        raise PluginNotFoundError(
            f"Unknown {kind} '{name}'. Known: {known}.{broken} Is its distribution in deps.zip, or "
            "its path under 'plugins' in the pipeline?"
        )
