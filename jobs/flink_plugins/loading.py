"""Making a plugin on the worker that runs it."""

from __future__ import annotations

import importlib
from typing import Any

from flink_plugins.adapters import ekuiper, sinetstream
from flink_plugins.errors import PluginNotFoundError
from flink_plugins.files import locate
from flink_plugins.refs import EKUIPER, SINETSTREAM, SOURCE, PluginRef


def load(ref: PluginRef) -> Any:
    """Make a new plugin. Raises PluginNotFoundError, or what the plugin's own code raises."""
    if ref.origin == EKUIPER:
        return ekuiper.load(ref.kind, ref.name, locate(ref.target))
    if ref.origin == SINETSTREAM:
        make = sinetstream.source if ref.kind == SOURCE else sinetstream.sink
        return make(ref.target)
    module_name, _, attribute = ref.target.partition(":")
    try:
        plugin: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            plugin = getattr(plugin, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise PluginNotFoundError(
            f"Could not load the {ref.kind} '{ref.name}' from {ref.target}: {error}. Is its "
            "distribution in deps.zip?"
        ) from error
    return plugin()
