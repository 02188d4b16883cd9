"""Checking what a pipeline file says, before anything of Flink is touched."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, TypeVar, Union

from flink_plugins.columns.types import parse_schema, parse_type
from flink_plugins.errors import FAIL, POLICIES, PipelineError
from flink_plugins.pipeline.entry import Entry, duration, named, shown, size
from flink_plugins.pipeline.spec import (
    Connector,
    PipelineSpec,
    PluginFunction,
    PluginSinkEntry,
    PluginSource,
    Step,
)
from flink_plugins.runtime.sink import SinkOptions
from flink_plugins.runtime.source import SourceOptions

_T = TypeVar("_T")


def check(content: Any) -> PipelineSpec:
    """Check the content of a pipeline file. Raises PipelineError that names the place."""
    root = Entry(content, "pipeline")
    parallelism = root.count("parallelism", 1)
    spec = PipelineSpec(
        name=root.get("name", str, "pipeline"),
        parallelism=parallelism,
        plugins=_plugins(root),
        configuration=_configuration(root),
        sources=tuple(_source(entry, parallelism) for entry in named(root, "sources")),
        functions=tuple(map(_function, named(root, "functions"))),
        steps=tuple(map(_step, named(root, "steps"))),
        sinks=tuple(map(_sink, named(root, "sinks"))),
    )
    root.done()
    _check_connected(spec)
    return spec


def _check_connected(spec: PipelineSpec) -> None:
    sections: Iterable[Any] = (("sources", spec.sources), ("sinks", spec.sinks))
    for section, entries in sections:
        if not entries:
            raise PipelineError(f"pipeline: '{section}' is empty: nothing would run.")
    sources = {source.name for source in spec.sources}
    for step in spec.steps:
        if step.name in sources:
            raise PipelineError(f"steps.{step.name}: a source has the name '{step.name}' too.")
    known = [*(source.name for source in spec.sources), *(step.name for step in spec.steps)]
    for sink in spec.sinks:
        if sink.source not in known:
            listed = ", ".join(known)
            raise PipelineError(
                f"sinks.{sink.name}.from: no source or step is called {shown(sink.source)}. "
                f"Known: {listed}."
            )


def _plugins(root: Entry) -> Any:
    paths = root.get("plugins", list, [])
    for path in paths:
        if not isinstance(path, str) or not path or "\0" in path:
            raise PipelineError(f"pipeline.plugins: found {shown(path)}. Expected a path.")
    return tuple(paths)


def _at(place: str, parse: Callable[[Any], _T], value: Any) -> _T:
    try:
        return parse(value)
    except PipelineError as error:
        raise PipelineError(f"{place}: {error}") from error


def _connector(entry: Entry, source: str) -> Connector:
    options = {"connector": entry.get("connector", str, required=True), **entry.texts("options")}
    return Connector(entry.name, tuple(entry.texts("schema").items()), options, source)


def _source(entry: Entry, parallelism: int) -> Union[PluginSource, Connector]:
    if "connector" in entry.value:
        table = _connector(entry, "")
        if not table.columns:
            raise PipelineError(f"{entry.place}: 'schema' is missing: a table has columns.")
        entry.done()
        return table
    columns = entry.get("schema", dict)
    source = PluginSource(
        entry.name,
        entry.get("plugin", str, required=True),
        str(entry.get("datasource", (str, int), "")),
        entry.get("conf", dict, {}),
        _at(f"{entry.place}.schema", parse_schema, columns) if columns else None,
        entry.get("meta", str, ""),
        entry.count("parallelism", parallelism),
        _source_options(entry),
    )
    entry.done()
    return source


def _source_options(entry: Entry) -> SourceOptions:
    buffer = entry.inner("buffer")
    defaults = SourceOptions()
    options = SourceOptions(
        on_error=entry.choice("on_error", POLICIES, FAIL),
        buffer_records=buffer.count("records", defaults.buffer_records),
        buffer_bytes=size(
            buffer.get("size", (str, int), defaults.buffer_bytes), f"{buffer.place}.size"
        ),
        close_timeout=entry.seconds("close_timeout", "5 s"),
    )
    buffer.done()
    return options


def _function(entry: Entry) -> PluginFunction:
    result = entry.get("result", str)
    arguments = entry.get("arguments", list)
    place = f"{entry.place}.arguments"
    function = PluginFunction(
        entry.name,
        entry.get("plugin", str, entry.name),
        _at(f"{entry.place}.result", parse_type, result) if result else None,
        [_at(place, parse_type, text) for text in arguments] if arguments else None,
        entry.get("example", list),
        entry.choice("on_error", POLICIES, FAIL),
        entry.get("batched", bool, False),
    )
    entry.done()
    return function


def _step(entry: Entry) -> Step:
    """A step is a query, or ``from`` with ``where``, ``call`` and ``keep``, chained like a map."""
    sql = entry.get("sql", str)
    if sql is not None:
        entry.done()
        return Step(entry.name, sql.strip().rstrip(";"))
    source = entry.get("from", str, required=True)
    keep = entry.get("keep", list, ["*"])
    columns = ["*" if column == "*" else f"`{column}`" for column in keep]
    columns.extend(f"{call} AS `{column}`" for column, call in entry.texts("call").items())
    where = entry.get("where", str)
    entry.done()
    selected = ", ".join(columns)
    condition = f" WHERE {where}" if where else ""
    return Step(entry.name, f"SELECT {selected} FROM `{source}`{condition}")


def _sink(entry: Entry) -> Union[PluginSinkEntry, Connector]:
    source = entry.get("from", str, required=True)
    if "connector" in entry.value:
        table = _connector(entry, source)
        entry.done()
        return table
    sink = PluginSinkEntry(
        entry.name,
        entry.get("plugin", str, required=True),
        source,
        entry.get("conf", dict, {}),
        entry.count("parallelism", None),
        SinkOptions(
            on_error=entry.choice("on_error", POLICIES, FAIL),
            in_flight=entry.count("in_flight", SinkOptions().in_flight),
            ack_timeout=entry.seconds("ack_timeout", "60 s"),
            close_timeout=entry.seconds("close_timeout", "10 s"),
        ),
    )
    entry.done()
    return sink


def _configuration(root: Entry) -> Dict[str, str]:
    configuration = {}
    checkpoint = Entry(root.get("checkpoint", dict, {}), "checkpoint")
    for key in ("interval", "timeout"):
        text = checkpoint.get(key, str)
        if text is not None:
            milliseconds = duration(text, f"checkpoint.{key}")
            configuration[f"execution.checkpointing.{key}"] = f"{milliseconds} ms"
    folder = checkpoint.get("folder", str)
    if folder is not None:
        configuration["state.checkpoints.dir"] = folder
        configuration["execution.checkpointing.dir"] = folder
    checkpoint.done()
    return {**configuration, **root.texts("configuration")}
