"""Plugins as operators of PyFlink: what a program calls, and what `flink_plugins.pipeline` uses."""

from flink_plugins.operators.function import aggregate, map_function, scalar
from flink_plugins.operators.sink import add_sink
from flink_plugins.operators.source import source_stream, source_table

__all__ = ["add_sink", "aggregate", "map_function", "scalar", "source_stream", "source_table"]
