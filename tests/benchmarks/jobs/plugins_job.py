"""The jobs that `tests.benchmarks.plugins` compares: ``plugins_job.py VARIANT MODE``."""

import sys
import threading
import time

from flink_plugins import operators
from flink_plugins.columns.types import parse_schema, parse_type
from flink_plugins.operators.function import FunctionSpec
from flink_plugins.operators.sink import SinkSpec
from flink_plugins.operators.source import SourceSpec, set_defaults
from flink_plugins.refs import FUNCTION, NATIVE, SINK, SOURCE, PluginRef
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
    """p50, p99 and the longest of 10,000 records, after 10,000 more, as gauges in microseconds."""

    def configure(self, conf):
        self.seen = []

    def open(self, ctx):
        pass

    def collect(self, ctx, data):
        self.seen.append(time.time() - data["sent"])
        if len(self.seen) == 20000:
            seen = sorted(self.seen[10000:])
            for name, place in (("p50", 5000), ("p99", 9900), ("max", -1)):
                ctx.metrics.gauge(name, int(seen[place] * 1e6))

    def close(self, ctx):
        pass


class Emit(FlatMapFunction):
    """What a PyFlink program would write: the same records, out of rows of Flink's own."""

    def flat_map(self, value):
        for number in range(BATCH):
            yield Row(number, time.time(), TEXT)


def ref(kind, cls):
    return PluginRef(kind, cls.__name__, NATIVE, "plugins_job:" + cls.__name__)


def numbers(t_env):
    """Rows that cost Java little, so that what is measured is the Python operator."""
    t_env.execute_sql(
        "CREATE TEMPORARY TABLE numbers (n BIGINT) "
        "WITH ('connector' = 'datagen', 'rows-per-second' = '100000000')"
    )
    padding = TEXT[:64]
    return t_env.sql_query(f"SELECT CONCAT(CAST(n AS STRING), '{padding}') AS text FROM numbers")


def function_job(t_env, variant):
    if variant.startswith("function"):
        spec = FunctionSpec(
            ref(FUNCTION, Reverse), "f", parse_type("STRING"), batched=variant.endswith("batched")
        )
        function = operators.scalar(spec)
    elif variant == "native":
        function = udf(lambda text: text[::-1], result_type=DataTypes.STRING())
    else:
        function = udf(
            lambda texts: texts.map(lambda text: text[::-1]),
            result_type=DataTypes.STRING(),
            func_type="pandas",
        )
    t_env.create_temporary_function("f", function)
    t_env.create_temporary_view("texts", numbers(t_env))
    return "SELECT f(text) FROM texts"


def flat_map_job(t_env):
    rows = Types.ROW_NAMED(list(COLUMNS), [Types.LONG(), Types.DOUBLE(), Types.STRING()])
    stream = t_env.to_data_stream(numbers(t_env)).flat_map(Emit(), rows)
    t_env.create_temporary_view("records", t_env.from_data_stream(stream))
    return "SELECT text FROM records"


def source_table(t_env, rate):
    spec = SourceSpec(ref(SOURCE, Flood), "s", conf={"rate": rate}, schema=parse_schema(COLUMNS))
    t_env.create_temporary_view("records", operators.source_table(t_env, spec))
    return "SELECT text FROM records"


def arrivals(t_env):
    """Has Java itself print when each record was emitted and when it had it."""
    source_table(t_env, 1000)
    t_env.execute_sql(
        "CREATE TEMPORARY TABLE printed (sent DOUBLE, arrived STRING) WITH ('connector' = 'print')"
    )
    statements = t_env.create_statement_set()
    statements.add_insert_sql(
        "INSERT INTO printed SELECT sent, CAST(CURRENT_TIMESTAMP AS STRING) FROM records"
    )
    statements.attach_as_datastream()


def main(variant, mode, *settings):
    configuration = Configuration()
    configuration.set_string("python.execution-mode", mode)
    configuration.set_string("execution.checkpointing.interval", "1 s")
    configuration.set_string("pipeline.object-reuse", "true")
    if mode == "process" and variant.startswith(("function", "native")):
        configuration.set_string("python.fn-execution.bundle.size", "10000")
    for setting in settings:
        configuration.set_string(*setting.split("=", 1))
    if variant in ("plugin-source", "latency", "arrival"):
        set_defaults(configuration)
    env = StreamExecutionEnvironment.get_execution_environment(configuration)
    env.set_parallelism(1)
    t_env = StreamTableEnvironment.create(env)
    t_env.get_config().set("table.local-time-zone", "UTC")
    t_env.execute_sql("CREATE TEMPORARY TABLE gone (text STRING) WITH ('connector' = 'blackhole')")
    if variant == "latency":
        source_table(t_env, 1000)
        operators.add_sink(
            t_env.to_data_stream(t_env.from_path("records")),
            SinkSpec(ref(SINK, Latency), "out", tuple(COLUMNS)),
        )
    elif variant == "arrival":
        arrivals(t_env)
    else:
        if variant == "plugin-source":
            query = source_table(t_env, 0)
        elif variant == "flat-map":
            query = flat_map_job(t_env)
        else:
            query = function_job(t_env, variant)
        statements = t_env.create_statement_set()
        statements.add_insert_sql("INSERT INTO gone " + query)
        statements.attach_as_datastream()
    env.execute_async(variant)


if __name__ == "__main__":
    main(*sys.argv[1:])
