"""What names a plugin: its kind, where it comes from, and the reference that workers are given.

What crosses from the client to the workers is a `PluginRef`: names only. The plugin's files reach
the workers in an archive or in ``python.files``, and are found there under the same name.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

SOURCE = "source"
SINK = "sink"
FUNCTION = "function"
KINDS = (SOURCE, SINK, FUNCTION)

NATIVE = "native"
EXTENSION = "extension"
EKUIPER = "ekuiper"
SINETSTREAM = "sinetstream"
ORIGINS = (NATIVE, EXTENSION, EKUIPER, SINETSTREAM)


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


def kind_of(plugin: Any) -> Optional[str]:
    """The kind of a plugin class or object, by the methods it has; None if it is not a plugin."""
    if callable(getattr(plugin, "collect", None)) and callable(getattr(plugin, "configure", None)):
        return SINK
    if callable(getattr(plugin, "exec", None)) and callable(getattr(plugin, "validate", None)):
        return FUNCTION
    if callable(getattr(plugin, "open", None)) and callable(getattr(plugin, "configure", None)):
        return SOURCE
    return None
