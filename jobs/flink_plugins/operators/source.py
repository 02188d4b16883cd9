"""A push-style source inside a job.

PyFlink has no Python source. A generator of Flink's own keeps the job alive with one row a second;
a keyed function runs the plugin in a thread and re-arms its own processing-time timer, and each
firing takes from the plugin's buffer what has gathered. Keys are chosen so that every subtask has
exactly one, which gives an instance its number and a place for its state.
"""

from __future__ import annotations

import gc
import json
import time
from typing import Any, Callable, Dict, Iterator, NamedTuple, Optional, Tuple

from pyflink.common import Row, Types
from pyflink.datastream import KeyedProcessFunction, KeyedStream
from pyflink.datastream.state import ValueStateDescriptor
from pyflink.java_gateway import get_gateway
from pyflink.table import StreamTableEnvironment

from flink_plugins.columns.convert import record_converter
from flink_plugins.columns.types import ColumnType, Schema
from flink_plugins.loading import load
from flink_plugins.operators.metrics import FlinkMetrics, in_process_mode, metric_group
from flink_plugins.operators.orphan import forget, when_orphaned
from flink_plugins.operators.types import make_row, row_information
from flink_plugins.refs import PluginRef
from flink_plugins.runtime.batch import BatchSize
from flink_plugins.runtime.source import SourceOptions, SourceRunner

try:
    from pyflink.fn_execution.coder_impl_fast import InternalRow
except ImportError:
    InternalRow = None

_MAX_PARALLELISM = 128
_SHORTEST_WAIT_MS = 1
_LONGEST_WAIT_MS = 20

TEXT_SCHEMA: Schema = (("data", ColumnType("STRING")),)


class SourceSpec(NamedTuple):
    """What the operator needs to know of a source.

    Without ``schema`` a record is one column, ``data``, with the message as JSON text. With
    ``meta`` one more column of that name holds the meta data of the message as JSON text.
    """

    ref: PluginRef
    name: str
    datasource: str = ""
    conf: Dict[str, Any] = {}  # never changed
    schema: Optional[Schema] = None
    meta: str = ""
    job: str = "job"
    options: SourceOptions = SourceOptions()

    @property
    def columns(self) -> Schema:
        """The columns of the records."""
        columns = self.schema or TEXT_SCHEMA
        return (*columns, (self.meta, ColumnType("STRING"))) if self.meta else columns


_json = json.JSONEncoder(ensure_ascii=False).encode


def _as_text(message: Dict[str, Any]) -> Tuple[Any, ...]:
    return (_json(message),)


def _encoder(spec: SourceSpec) -> Callable[[Dict[str, Any], Optional[Dict[str, Any]]], Any]:
    """A function from a message and its meta data to a tuple with the values of the columns."""
    convert = record_converter(spec.schema, make_row) if spec.schema else _as_text
    if spec.meta:
        return lambda message, meta: (
            *convert(message),
            None if meta is None else _json(meta),
        )
    return lambda message, meta: convert(message)


def _fast_row(values: Any) -> Any:
    """What PyFlink's own operators hand to its coders; made three times as fast as a Row."""
    return InternalRow(list(values), 0)


class PushSource(KeyedProcessFunction):
    """Runs one instance of the plugin for each of ``keys`` that it is given."""

    def __init__(self, spec: SourceSpec, keys: Tuple[str, ...], batched: bool) -> None:
        self._spec = spec
        self._keys = keys
        self._batched = batched

    def open(self, runtime_context: Any) -> None:
        """Prepare; the plugin starts with the first tick, when its state can be read."""
        self._in_process = in_process_mode(runtime_context)
        self._row = _fast_row if self._in_process and InternalRow is not None else make_row
        self._size: Dict[str, BatchSize] = {}
        self._runners: Dict[str, SourceRunner] = {}
        self._armed: Dict[str, int] = {}
        self._wait: Dict[str, int] = {}
        self._metrics = FlinkMetrics(metric_group(runtime_context))
        self._saved = runtime_context.get_state(
            ValueStateDescriptor("plugin-state", Types.PICKLED_BYTE_ARRAY())
        )

    def process_element(self, value: Any, ctx: Any) -> Iterator[Any]:
        """A tick: start the instance of this key unless it runs."""
        key = value
        if key not in self._runners:
            self._start(key)
            self._arm(key, ctx, 0)
        return iter(())

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Any]:
        """Take what the plugin emitted. Raises PluginFailure when it failed."""
        key = ctx.get_current_key()
        if key not in self._runners:
            self._start(key)
        elif self._armed.get(key) != timestamp:
            return  # of a chain of timers that another has replaced
        runner, size = self._runners[key], self._size[key]
        limit = size.limit
        records, changed = runner.drain(limit)
        size.took(len(records), time.monotonic())
        if changed:
            self._saved.update(dict(runner.state))
        self._metrics.publish()
        if records:
            self._wait[key] = _SHORTEST_WAIT_MS
        else:
            self._wait[key] = min(self._wait.get(key, 1) * 2, _LONGEST_WAIT_MS)
        self._arm(key, ctx, 1 if len(records) >= limit else self._wait[key])
        if not records:
            return
        row = self._row
        if self._batched:
            yield Row([row(record) for record in records])
        else:
            for record in records:
                yield row(record)

    def _arm(self, key: str, ctx: Any, wait: int) -> None:
        timers = ctx.timer_service()
        due = timers.current_processing_time() + wait
        self._armed[key] = due
        timers.register_processing_time_timer(due)

    def _start(self, key: str) -> None:
        spec = self._spec
        source = load(spec.ref)
        source.configure(spec.datasource, dict(spec.conf))
        runner = SourceRunner(
            source,
            _encoder(spec),
            spec.options,
            spec.job,
            spec.name,
            self._keys.index(key),
            self._saved.value(),
            self._metrics,
            len(self._keys),
        )
        self._runners[key] = runner
        self._size[key] = BatchSize()
        when_orphaned(runner.stop, self._in_process)
        if self._in_process:
            # Beam, pandas and what else was imported never goes away; leaving it out makes the
            # collector's passes, which stop all threads, short.
            gc.collect()
            gc.freeze()
        runner.start()

    def close(self) -> None:
        """Close the plugins."""
        for runner in getattr(self, "_runners", {}).values():
            forget(runner.stop)
            runner.stop()
        self._runners = {}


def _keys_for(parallelism: int) -> Tuple[str, ...]:
    """One key for each subtask, found with Flink's own assignment."""
    jvm = get_gateway().jvm
    assignment = jvm.org.apache.flink.runtime.state.KeyGroupRangeAssignment
    keys: Dict[int, str] = {}
    candidate = 0
    while len(keys) < parallelism:
        row = jvm.org.apache.flink.types.Row(1)
        row.setField(0, str(candidate))
        subtask = assignment.assignKeyToParallelOperator(row, _MAX_PARALLELISM, parallelism)
        keys.setdefault(subtask, str(candidate))
        candidate += 1
    return tuple(keys[subtask] for subtask in range(parallelism))


def _ticks(t_env: Any, table: str, keys: Tuple[str, ...]) -> KeyedStream:
    """Each of ``keys`` once a second, keyed by itself, without Python.

    ``DataStream.key_by`` would put two Python operators into a task of their own, before the one
    that matters.
    """
    # Depends on a column: a constant array would become a join, which keeps every tick in state.
    listed = ", ".join(f"CASE WHEN tick IS NULL THEN '' ELSE '{key}' END" for key in keys)
    query = t_env.sql_query(
        f"SELECT k, k AS v FROM `{table}` CROSS JOIN UNNEST(ARRAY[{listed}]) AS t(k)"
    )
    # The operators of PyFlink take rows of the older type system only.
    ticks = t_env.to_append_stream(query, Types.ROW([Types.STRING(), Types.STRING()]))
    key_type = Types.ROW([Types.STRING()]).get_java_type_info()
    keyed = ticks._j_data_stream.keyBy(get_gateway().jvm.KeyByKeySelector(), key_type)
    return KeyedStream(keyed, Types.STRING(), ticks)


def _stream(t_env: Any, spec: SourceSpec, parallelism: int, batched: bool) -> Any:
    if not 1 <= parallelism <= _MAX_PARALLELISM:
        raise ValueError(
            f"source {spec.name}: parallelism {parallelism} is not between 1 and {_MAX_PARALLELISM}"
        )
    keys = _keys_for(parallelism)
    ticks = f"flink_plugins_ticks_of_{spec.name}"
    t_env.execute_sql(
        f"CREATE TEMPORARY TABLE `{ticks}` (`tick` INT) "
        "WITH ('connector' = 'datagen', 'rows-per-second' = '1')"
    )
    record = row_information(spec.columns)
    output = Types.ROW_NAMED(["records"], [Types.OBJECT_ARRAY(record)]) if batched else record
    stream = _ticks(t_env, ticks, keys).process(PushSource(spec, keys, batched), output_type=output)
    return (
        stream.name("source " + spec.name)
        .uid("flink-plugins-source-" + spec.name)
        .set_parallelism(parallelism)
        .set_max_parallelism(_MAX_PARALLELISM)
    )


def set_defaults(configuration: Any) -> None:
    """Set what a push source needs, unless the job's author has set it.

    A Python operator's output is held until its bundle ends, by default a second. Without the reuse
    of objects, Java would copy a whole batch for each record that it takes out of it.
    """
    if configuration.get_string("python.fn-execution.bundle.time", "") == "":
        configuration.set_string("python.fn-execution.bundle.time", "1")
    if configuration.get_string("pipeline.object-reuse", "") == "":
        configuration.set_string("pipeline.object-reuse", "true")


def source_stream(env: Any, spec: SourceSpec, parallelism: int = 1) -> Any:
    """The records of a plugin as a DataStream of rows with the columns of ``spec``."""
    return _stream(StreamTableEnvironment.create(env), spec, parallelism, batched=False)


def _in_thread_mode(t_env: Any) -> bool:
    mode = get_gateway().jvm.org.apache.flink.python.PythonOptions.PYTHON_EXECUTION_MODE
    return str(t_env.get_config()._j_table_config.get(mode)).lower() == "thread"


def source_table(t_env: Any, spec: SourceSpec, parallelism: int = 1) -> Any:
    """The records of a plugin as a Table.

    Records cross from Python to Java in batches, which Java takes apart: this is the fast form. In
    thread mode they cross one by one: there Flink reuses one row for all elements of an array, so
    that each record of a batch would be the last one (seen on 2.2.1 and 2.3.0).
    """
    batched = not _in_thread_mode(t_env)
    stream = _stream(t_env, spec, parallelism, batched)
    view = f"flink_plugins_records_of_{spec.name}"
    t_env.create_temporary_view(view, t_env.from_data_stream(stream))
    names = ", ".join(f"`{name}`" for name, _ in spec.columns)
    casts = ", ".join(
        f"CAST(`{name}` AS {type_.sql}) AS `{name}`"
        if type_.name in ("DECIMAL", "TIMESTAMP", "TIMESTAMP_LTZ")
        else f"`{name}`"
        for name, type_ in spec.columns
    )
    rows = f" CROSS JOIN UNNEST(`records`) AS r({names})" if batched else ""
    return t_env.sql_query(f"SELECT {casts} FROM `{view}`{rows}")
