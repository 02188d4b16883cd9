"""What a pipeline file says, as values; nothing of Flink is needed to have them."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Tuple, Union

from flink_plugins.columns.types import ColumnType, Schema
from flink_plugins.runtime.sink import SinkOptions
from flink_plugins.runtime.source import SourceOptions


class PluginSource(NamedTuple):
    """A source that a plugin is; see `flink_plugins.operators.source.SourceSpec`."""

    name: str
    plugin: str
    datasource: str
    conf: Dict[str, Any]
    schema: Optional[Schema]
    meta: str
    parallelism: int
    options: SourceOptions


class Connector(NamedTuple):
    """A source or sink that one of Flink's own connectors is: a SQL table.

    ``columns`` are (name, the rest of the column's SQL), ``source`` is what a sink takes.
    """

    name: str
    columns: Tuple[Tuple[str, str], ...]
    options: Dict[str, str]
    source: str = ""


class PluginFunction(NamedTuple):
    """A function; ``result`` is None if it is to be found out."""

    name: str
    plugin: str
    result: Optional[ColumnType]
    arguments: Optional[List[ColumnType]]
    example: Optional[List[Any]]
    on_error: str
    batched: bool


class Step(NamedTuple):
    """A named query. Chained steps are turned into one too."""

    name: str
    sql: str


class PluginSinkEntry(NamedTuple):
    """A sink that a plugin is; ``source`` is the step or source that it takes."""

    name: str
    plugin: str
    source: str
    conf: Dict[str, Any]
    parallelism: Optional[int]
    options: SinkOptions


class PipelineSpec(NamedTuple):
    """A whole pipeline. ``configuration`` holds Flink options, those of ``checkpoint`` included."""

    name: str
    parallelism: int
    plugins: Tuple[str, ...]
    configuration: Dict[str, str]
    sources: Tuple[Union[PluginSource, Connector], ...]
    functions: Tuple[PluginFunction, ...]
    steps: Tuple[Step, ...]
    sinks: Tuple[Union[PluginSinkEntry, Connector], ...]
