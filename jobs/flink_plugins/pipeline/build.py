"""A checked pipeline as a job of PyFlink's Table API.

What needs PyFlink is imported when a job is built: without it a pipeline can still be checked.
"""

from __future__ import annotations

import os
from typing import Any, Dict, Tuple

from flink_plugins.discovery import Registry, installed, portable
from flink_plugins.errors import PipelineError, PluginError
from flink_plugins.files import locate
from flink_plugins.loading import load
from flink_plugins.pipeline.check import check
from flink_plugins.pipeline.reading import read_file
from flink_plugins.pipeline.results import result_of
from flink_plugins.pipeline.spec import (
    Connector,
    PipelineSpec,
    PluginFunction,
    PluginSinkEntry,
    PluginSource,
    Step,
)
from flink_plugins.pipeline.sqlcalls import calls
from flink_plugins.refs import EKUIPER, FUNCTION, SINK, SOURCE, PluginRef


class Pipeline:
    """A checked pipeline whose plugins are found; ``folder`` is that of its file."""

    def __init__(self, spec: PipelineSpec, folder: str = "") -> None:
        self.spec = spec
        self.folder = folder
        refs, broken = installed()
        for path in spec.plugins:
            refs.extend(portable(path, (folder,)))
        self._registry = Registry(refs, broken)

    @classmethod
    def load(cls, path: str) -> Pipeline:
        """Read, check and look up everything that the file ``path`` names. Raises PluginError."""
        path = locate(path)
        try:
            spec = check(read_file(path))
        except PipelineError as error:
            raise PipelineError(f"{os.path.basename(path)}: {error}") from error
        return cls(spec, os.path.dirname(path))

    def function_specs(self) -> Dict[str, Any]:
        """Each function with its plugin, result type and call sites checked. Raises PluginError."""
        return {entry.name: self._function(entry) for entry in self.spec.functions}

    def _function(self, entry: PluginFunction) -> Any:
        from flink_plugins.operators.function import FunctionSpec

        ref = self._find(FUNCTION, entry.plugin, f"functions.{entry.name}")
        plugin = self._load(ref)
        for step in self.spec.steps:
            for arguments in calls(step.sql, entry.name):
                said = plugin.validate(arguments)
                if said:
                    call = ", ".join(arguments)
                    raise PipelineError(
                        f"steps.{step.name}: the plugin refuses {entry.name}({call}): {said}"
                    )
        result = entry.result or result_of(plugin, entry)
        spec = FunctionSpec(
            ref, entry.name, result, entry.arguments, self.spec.name, entry.on_error, entry.batched
        )
        return spec, bool(plugin.is_aggregate())

    def _find(self, kind: str, name: str, place: str) -> PluginRef:
        try:
            return self._registry.find(kind, name)
        except PluginError as error:
            raise PipelineError(f"{place}: {error}") from error

    def _load(self, ref: PluginRef) -> Any:
        if ref.origin == EKUIPER:
            ref = ref._replace(target=locate(ref.target, (self.folder,)))
        return load(ref)

    def build(self, t_env: Any) -> Any:
        """Add the pipeline to ``t_env``; returns its StatementSet, which ``execute()`` runs.

        Raises PluginError for what is wrong with the pipeline or its plugins; Flink's own errors
        for what is wrong with its SQL.
        """
        from flink_plugins import operators

        statements = t_env.create_statement_set()
        for name, (function, is_aggregate) in self.function_specs().items():
            make = operators.aggregate if is_aggregate else operators.scalar
            t_env.create_temporary_function(name, make(function))
        for source in self.spec.sources:
            if isinstance(source, Connector):
                t_env.execute_sql(_ddl(source, source.columns))
            else:
                t_env.create_temporary_view(source.name, self._source_table(t_env, source))
        for step in self.spec.steps:
            t_env.create_temporary_view(step.name, _query(t_env, step))
        for sink in self.spec.sinks:
            if isinstance(sink, Connector):
                _insert(t_env, statements, sink)
            else:
                self._add_sink(t_env, sink)
        statements.attach_as_datastream()
        return statements

    def _source_table(self, t_env: Any, source: PluginSource) -> Any:
        from flink_plugins.operators.source import SourceSpec, source_table

        spec = SourceSpec(
            self._find(SOURCE, source.plugin, f"sources.{source.name}"),
            source.name,
            source.datasource,
            source.conf,
            source.schema,
            source.meta,
            self.spec.name,
            source.options,
        )
        return source_table(t_env, spec, source.parallelism)

    def _add_sink(self, t_env: Any, sink: PluginSinkEntry) -> None:
        from flink_plugins.operators.sink import SinkSpec, add_sink

        table = t_env.from_path(sink.source)
        columns = tuple(name for name, _ in _columns(table))
        ref = self._find(SINK, sink.plugin, f"sinks.{sink.name}")
        spec = SinkSpec(ref, sink.name, columns, sink.conf, self.spec.name, sink.options)
        written = add_sink(t_env.to_data_stream(table), spec)
        if sink.parallelism:
            written.set_parallelism(sink.parallelism)

    def environment(self) -> Any:
        """A StreamExecutionEnvironment set up as the pipeline says."""
        from pyflink.common import Configuration
        from pyflink.datastream import StreamExecutionEnvironment

        from flink_plugins.operators.source import set_defaults

        configuration = Configuration()
        for key, value in self.spec.configuration.items():
            configuration.set_string(key, value)
        if any(isinstance(source, PluginSource) for source in self.spec.sources):
            set_defaults(configuration)
        env = StreamExecutionEnvironment.get_execution_environment(configuration)
        env.set_parallelism(self.spec.parallelism)
        return env

    def execute(self) -> Any:
        """Start the job without waiting for it; returns Flink's JobClient."""
        from pyflink.table import StreamTableEnvironment

        env = self.environment()
        self.build(StreamTableEnvironment.create(env))
        return env.execute_async(self.spec.name)


def _query(t_env: Any, step: Step) -> Any:
    from py4j.protocol import Py4JJavaError

    try:
        return t_env.sql_query(step.sql)
    except Py4JJavaError as error:
        said = str(error.java_exception.getMessage())
        raise PipelineError(f"steps.{step.name}: Flink refuses the SQL: {said}") from None


def _columns(table: Any) -> Tuple[Tuple[str, str], ...]:
    """Name and SQL type of each column of a table."""
    columns = table._j_table.getResolvedSchema().getColumns()
    return tuple(
        (column.getName(), column.getDataType().getLogicalType().asSerializableString())
        for column in columns
    )


def _insert(t_env: Any, statements: Any, sink: Connector) -> None:
    columns = sink.columns or _columns(t_env.from_path(sink.source))
    t_env.execute_sql(_ddl(sink, columns))
    statements.add_insert_sql(f"INSERT INTO `{sink.name}` SELECT * FROM `{sink.source}`")


def _ddl(table: Connector, columns: Tuple[Tuple[str, str], ...]) -> str:
    options = ", ".join(
        f"{_quoted(key)} = {_quoted(value)}" for key, value in table.options.items()
    )
    listed = ", ".join(f"`{name}` {rest}" for name, rest in columns)
    return f"CREATE TEMPORARY TABLE `{table.name}` ({listed}) WITH ({options})"


def _quoted(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
