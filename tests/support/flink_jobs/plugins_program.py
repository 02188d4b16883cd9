"""A PyFlink program with a pipeline file and, beside it, a DataStream of its own."""

import sys

from flink_plugins import operators
from flink_plugins.columns.types import parse_schema, parse_type
from flink_plugins.operators.function import FunctionSpec
from flink_plugins.operators.sink import SinkSpec
from flink_plugins.operators.source import SourceSpec
from flink_plugins.pipeline import Pipeline
from flink_plugins.refs import FUNCTION, NATIVE, SINK, SOURCE, PluginRef
from pyflink.common import Row, Types
from pyflink.table import StreamTableEnvironment


def native(kind, name):
    return PluginRef(kind, name, NATIVE, "plugins_workload:" + name)


def main(pipeline_path, mapped_path):
    pipeline = Pipeline.load(pipeline_path)
    env = pipeline.environment()
    pipeline.build(StreamTableEnvironment.create(env))

    source = SourceSpec(
        native(SOURCE, "Numbers"),
        "numbers",
        schema=parse_schema({"instance": "INT", "number": "BIGINT"}),
    )
    triple = FunctionSpec(native(FUNCTION, "Triple"), "triple", parse_type("BIGINT"))
    mapped = (
        operators.source_stream(env, source)
        .map(operators.map_function(triple, lambda row: [row["number"]]), Types.LONG())
        .map(lambda number: Row(0, number), Types.ROW([Types.INT(), Types.LONG()]))
    )
    sink = SinkSpec(
        native(SINK, "LinesSink"), "mapped", ("instance", "number"), {"path": mapped_path}
    )
    operators.add_sink(mapped, sink)
    env.execute_async("program")


if __name__ == "__main__":
    main(*sys.argv[1:])
