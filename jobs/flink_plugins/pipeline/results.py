"""The result type of a function whose pipeline does not say it."""

from __future__ import annotations

import inspect
from typing import Any, List, Optional

from flink_plugins.columns.types import ColumnType, parse_type
from flink_plugins.errors import PipelineError
from flink_plugins.pipeline.spec import PluginFunction
from flink_plugins.runtime.context import PluginContext

_INFERRED = {str: "STRING", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN", bytes: "BYTES"}


def result_of(plugin: Any, entry: PluginFunction) -> ColumnType:
    """The result type that the plugin declares, is annotated with, or shows for the example."""
    declared = getattr(plugin, "result_type", None)
    if declared:
        return parse_type(declared)
    annotation = inspect.signature(plugin.exec).return_annotation
    annotation = {"str": str, "int": int, "float": float, "bool": bool}.get(annotation, annotation)
    if annotation in _INFERRED:
        return parse_type(_INFERRED[annotation])
    if entry.example is not None:
        return _type_of_value(plugin, entry)
    raise PipelineError(
        f"functions.{entry.name}: the type of the result is not known. Add 'result', such as "
        "'result: STRING', or 'example' with a list of arguments."
    )


def _type_of_value(plugin: Any, entry: PluginFunction) -> ColumnType:
    arguments: List[Any] = list(entry.example or ())
    try:
        value = plugin.exec(arguments, PluginContext("example", entry.name))
    except Exception as error:
        raise PipelineError(
            f"functions.{entry.name}: exec() raised for the example {arguments!r}: {error!r}"
        ) from error
    found = _sql_of(value)
    if found is None:
        raise PipelineError(
            f"functions.{entry.name}: the type of the example's result, {value!r}, cannot be told. "
            "Add 'result'."
        )
    return parse_type(found)


def _sql_of(value: Any) -> Optional[str]:
    if isinstance(value, list) and value:
        element = _sql_of(value[0])
        return None if element is None else f"ARRAY<{element}>"
    return _INFERRED.get(type(value))
