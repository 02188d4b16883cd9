"""The job: a pipeline file as a running Flink job.

From a program::

    from flink_plugins.pipeline import Pipeline
    Pipeline.load("pipeline.yaml").execute()
"""

from __future__ import annotations

import inspect
import os
from typing import Any, Dict, Optional

from flink_plugins import discovery
from flink_plugins.errors import PipelineError, PluginError
from flink_plugins.schema import ColumnType, parse_type
from flink_plugins.spec import (
    Connector,
    PipelineSpec,
    PluginFunction,
    PluginSource,
    Step,
    check,
    read_text,
)
from flink_plugins.sqlcalls import calls

_INFERRED = {str: "STRING", int: "BIGINT", float: "DOUBLE", bool: "BOOLEAN", bytes: "BYTES"}


class Pipeline:
    """A checked pipeline whose plugins are found; ``folder`` is where its file lies."""

    def __init__(self, spec: PipelineSpec, folder: str = "") -> None:
        self.spec = spec
        self.folder = folder
        refs = discovery.installed()
        for path in spec.plugins:
            refs.extend(discovery.portable(path, (folder,)))
        self._registry = discovery.Registry(refs)

    @classmethod
    def load(cls, path: str) -> "Pipeline":
        """Read, check and look up everything that the file ``path`` names. Raises PluginError."""
        path = discovery.locate(path)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        try:
            spec = check(read_text(text))
        except PipelineError as error:
            raise PipelineError("{}: {}".format(os.path.basename(path), error)) from error
        return cls(spec, os.path.dirname(path))

    def function_specs(self) -> Dict[str, Any]:
        """Each function with its plugin, result type and call sites checked. Raises PluginError."""
        return {entry.name: self._function(entry) for entry in self.spec.functions}

    def _function(self, entry: PluginFunction) -> Any:
        from flink_plugins.operators.function import FunctionSpec

        ref = self._find(discovery.FUNCTION, entry.plugin, "functions." + entry.name)
        plugin = self._load(ref)
        for step in self.spec.steps:
            for arguments in calls(step.sql, entry.name):
                said = plugin.validate(arguments)
                if said:
                    raise PipelineError(
                        "steps.{}: {}({}) is refused by its plugin: {}".format(
                            step.name, entry.name, ", ".join(arguments), said
                        )
                    )
        result = entry.result or _result_of(plugin, entry)
        spec = FunctionSpec(
            ref, entry.name, result, entry.arguments, self.spec.name, entry.on_error, entry.batched
        )
        return spec, bool(plugin.is_aggregate())

    def _find(self, kind: str, name: str, place: str) -> discovery.PluginRef:
        try:
            return self._registry.find(kind, name)
        except PluginError as error:
            raise PipelineError("{}: {}".format(place, error)) from error

    def _load(self, ref: discovery.PluginRef) -> Any:
        if ref.origin == discovery.EKUIPER:
            ref = ref._replace(target=discovery.locate(ref.target, (self.folder,)))
        return discovery.load(ref)

    def build(self, t_env: Any) -> Any:
        """Add the pipeline to ``t_env``; returns its StatementSet, which ``execute()`` runs.

        Raises PluginError for what is wrong with the pipeline or its plugins; Flink's own errors
        for what is wrong with its SQL.
        """
        from flink_plugins import operators
        from flink_plugins.operators.sink import SinkSpec
        from flink_plugins.operators.source import SourceSpec

        statements = t_env.create_statement_set()
        for name, (function, is_aggregate) in self.function_specs().items():
            make = operators.aggregate if is_aggregate else operators.scalar
            t_env.create_temporary_function(name, make(function))
        for source in self.spec.sources:
            if isinstance(source, Connector):
                t_env.execute_sql(_ddl(source, source.columns))
                continue
            spec = SourceSpec(
                self._find(discovery.SOURCE, source.plugin, "sources." + source.name),
                source.name,
                source.datasource,
                source.conf,
                source.schema,
                source.meta,
                self.spec.name,
                source.options,
            )
            table = operators.source_table(t_env, spec, source.parallelism)
            t_env.create_temporary_view(source.name, table)
        for step in self.spec.steps:
            t_env.create_temporary_view(step.name, _query(t_env, step))
        for sink in self.spec.sinks:
            table = t_env.from_path(sink.source)
            if isinstance(sink, Connector):
                self._insert(t_env, statements, sink, table)
                continue
            columns = tuple(name for name, _ in _columns(table))
            ref = self._find(discovery.SINK, sink.plugin, "sinks." + sink.name)
            spec = SinkSpec(ref, sink.name, columns, sink.conf, self.spec.name, sink.options)
            written = operators.add_sink(t_env.to_data_stream(table), spec)
            if sink.parallelism:
                written.set_parallelism(sink.parallelism)
        statements.attach_as_datastream()
        return statements

    def _insert(self, t_env: Any, statements: Any, sink: Connector, table: Any) -> None:
        columns = sink.columns
        if not columns:
            columns = _columns(table)
        t_env.execute_sql(_ddl(sink, columns))
        statements.add_insert_sql(
            "INSERT INTO `{}` SELECT * FROM `{}`".format(sink.name, sink.source)
        )

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
        raise PipelineError("steps.{}: Flink refuses the SQL: {}".format(step.name, said)) from None


def _columns(table: Any) -> Any:
    """Name and SQL type of each column of a table."""
    columns = table._j_table.getResolvedSchema().getColumns()
    return tuple(
        (column.getName(), column.getDataType().getLogicalType().asSerializableString())
        for column in columns
    )


def _ddl(table: Connector, columns: Any) -> str:
    quoted = ", ".join("'{}' = '{}'".format(*pair) for pair in table.options.items())
    listed = ", ".join("`{}` {}".format(name, rest) for name, rest in columns)
    return "CREATE TEMPORARY TABLE `{}` ({}) WITH ({})".format(table.name, listed, quoted)


def _result_of(plugin: Any, entry: PluginFunction) -> ColumnType:
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
        "functions.{}: the type of the result is not known. Add 'result: STRING' or what it is, or "
        "an 'example' with one list of arguments.".format(entry.name)
    )


def _type_of_value(plugin: Any, entry: PluginFunction) -> ColumnType:
    from flink_plugins.runtime.context import PluginContext

    arguments = list(entry.example or ())  # type: List[Any]
    try:
        value = plugin.exec(arguments, PluginContext("example", entry.name))
    except Exception as error:
        raise PipelineError(
            "functions.{}: exec() raised for the example {!r}: {!r}".format(
                entry.name, arguments, error
            )
        ) from error
    found = _sql_of(value)
    if found is None:
        raise PipelineError(
            "functions.{}: the result for the example is {!r}, of no type that could be guessed. "
            "Add 'result'.".format(entry.name, value)
        )
    return parse_type(found)


def _sql_of(value: Any) -> Optional[str]:
    if isinstance(value, list) and value:
        element = _sql_of(value[0])
        return None if element is None else "ARRAY<{}>".format(element)
    return _INFERRED.get(type(value))
