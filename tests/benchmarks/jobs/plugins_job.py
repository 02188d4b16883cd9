"""The jobs that `tests.benchmarks.plugins` compares: ``plugins_job.py VARIANT MODE``."""

import sys
import threading
import time

from flink_plugins import operators
from flink_plugins.discovery import FUNCTION, NATIVE, SINK, SOURCE, PluginRef
from flink_plugins.operators.function import FunctionSpec
from flink_plugins.operators.sink import SinkSpec
from flink_plugins.operators.source import SourceSpec, set_defaults
from flink_plugins.schema import parse_schema, parse_type
from pyflink.common import Configuration, Row, Types
from pyflink.datastream import FlatMapFunction, StreamExecutionEnvironment
from pyflink.table import DataTypes, StreamTableEnvironment
from pyflink.table.udf import udf

TEXT = "x" * 84  # with a number and a time, 100 bytes
COLUMNS = {"id": "BIGINT", "sent": "DOUBLE", "text": "STRING"}
BATCH = 100


class Flood:
    """Emits as fast as it can, or ``rate`` records a second."""

    def configure(self, datasource, conf):
        self.rate = conf.get("rate", 0)
        self.closing = threading.Event()

    def open(self, ctx):
        number, start = 0, time.time()
        while not self.closing.is_set():
            due = number + BATCH if not self.rate else int((time.time() - start) * self.rate)
            while number < due:
                ctx.emit({"id": number, "sent": time.time(), "text": TEXT}, None)
                number += 1
            if self.rate:
                time.sleep(0.001)

    def close(self, ctx):
        self.closing.set()


class Reverse:
    def validate(self, args):
        return ""

    def exec(self, args, ctx):
        return args[0][::-1]

    def is_aggregate(self):
        return False


class Latency:
    """Keeps p50 and p99 of each 2,000 records as gauges, in microseconds."""

    def configure(self, conf):
        self.seen = []

    def open(self, ctx):
        pass

    def collect(self, ctx, data):
        self.seen.append(time.time() - data["sent"])
        if len(self.seen) == 2000:
            self.seen.sort()
            ctx.metrics.gauge("p50", int(self.seen[1000] * 1e6))
            ctx.metrics.gauge("p99", int(self.seen[1980] * 1e6))
            self.seen = []

    def close(self, ctx):
        pass


class Emit(FlatMapFunction):
    """What a PyFlink program would write: the same records, out of rows of Flink's own."""

    def flat_map(self, value):
        for number in range(BATCH):
            yield Row(number, time.time(), TEXT)


def ref(kind, cls):
    return PluginRef(kind, cls.__name__, NATIVE, "plugins_job:" + cls.__name__)


def main(variant, mode):
    configuration = Configuration()
    configuration.set_string("python.execution-mode", mode)
    configuration.set_string("execution.checkpointing.interval", "1 s")
    if "source" in variant or variant == "latency":
        set_defaults(configuration)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    env.set_parallelism(1)
    t_env = StreamTableEnvironment.create(env)
    t_env.execute_sql(
        "CREATE TEMPORARY TABLE numbers (n BIGINT, text STRING) "
        "WITH ('connector' = 'datagen', 'fields.text.length' = '84', "
        "'rows-per-second' = '100000000')"
    )
    t_env.execute_sql("CREATE TEMPORARY TABLE gone (text STRING) WITH ('connector' = 'blackhole')")
    statements = t_env.create_statement_set()
    spec = FunctionSpec(
        ref(FUNCTION, Reverse), "f", parse_type("STRING"), batched=variant.endswith("batched")
    )
    source = SourceSpec(
        ref(SOURCE, Flood),
        "s",
        conf={"rate": 1000 if variant == "latency" else 0},
        schema=parse_schema(COLUMNS),
    )
    if variant.startswith("function"):
        t_env.create_temporary_function("f", operators.scalar(spec))
    elif variant == "native":
        t_env.create_temporary_function(
            "f", udf(lambda text: text[::-1], result_type=DataTypes.STRING())
        )
    elif variant == "native-batched":
        t_env.create_temporary_function(
            "f",
            udf(
                lambda texts: texts.map(lambda text: text[::-1]),
                result_type=DataTypes.STRING(),
                func_type="pandas",
            ),
        )
    if variant.startswith(("function", "native")):
        statements.add_insert_sql("INSERT INTO gone SELECT f(text) FROM numbers")
    elif variant == "flat-map-source":
        rows = Types.ROW_NAMED(list(COLUMNS), [Types.LONG(), Types.DOUBLE(), Types.STRING()])
        stream = t_env.to_data_stream(t_env.from_path("numbers")).flat_map(Emit(), rows)
        t_env.create_temporary_view("records", t_env.from_data_stream(stream))
        statements.add_insert_sql("INSERT INTO gone SELECT text FROM records")
    else:
        t_env.create_temporary_view("records", operators.source_table(t_env, source))
        if variant == "latency":
            operators.add_sink(
                t_env.to_data_stream(t_env.from_path("records")),
                SinkSpec(ref(SINK, Latency), "out", tuple(COLUMNS)),
            )
        else:
            statements.add_insert_sql("INSERT INTO gone SELECT text FROM records")
    if variant != "latency":
        statements.attach_as_datastream()
    env.execute_async(variant)


if __name__ == "__main__":
    main(*sys.argv[1:])
