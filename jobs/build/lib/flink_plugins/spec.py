"""What a pipeline file says, checked before anything of Flink is touched."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from flink_plugins.errors import PipelineError
from flink_plugins.runtime.sink import SinkOptions
from flink_plugins.runtime.source import FAIL, LOG, SourceOptions
from flink_plugins.schema import ColumnType, Schema, parse_schema, parse_type


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
    sources: Tuple[Any, ...]
    functions: Tuple[PluginFunction, ...]
    steps: Tuple[Step, ...]
    sinks: Tuple[Any, ...]


def read_text(text: str) -> Any:
    """Parse YAML or JSON with what is installed. Raises PipelineError."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        load = YAML(typ="safe", pure=True).load  # type: Any
    except ImportError:
        try:
            from yaml import YAMLError, safe_load

            load = safe_load
        except ImportError as error:
            raise PipelineError(
                "The pipeline is not JSON, and there is no YAML parser (PyFlink before 1.19 brings "
                "none). Write it as JSON, or add PyYAML to deps.zip."
            ) from error
    try:
        return load(text)
    except YAMLError as error:
        raise PipelineError("The pipeline is neither YAML nor JSON: {}".format(error)) from error


class _Entry:
    """A mapping of the file; knows its place, and which of its keys were read."""

    def __init__(self, value: Any, place: str) -> None:
        if not isinstance(value, dict):
            raise PipelineError(
                "{}: found {!r}. Expected a mapping.".format(place, value if value != {} else None)
            )
        self.value = value
        self.place = place
        self._read = set()  # type: ignore[var-annotated]

    def get(self, key: str, kinds: Any, default: Any = None, required: bool = False) -> Any:
        self._read.add(key)
        if key not in self.value:
            if required:
                raise PipelineError("{}: '{}' is missing.".format(self.place, key))
            return default
        value = self.value[key]
        if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is int):
            names = kinds if isinstance(kinds, tuple) else (kinds,)
            raise PipelineError(
                "{}.{}: found {!r}. Expected {}.".format(
                    self.place, key, value, " or ".join(_KINDS.get(k, k.__name__) for k in names)
                )
            )
        return value

    def choice(self, key: str, choices: Tuple[str, ...], default: str) -> str:
        value = self.get(key, str, default)
        if value not in choices:
            raise PipelineError(
                "{}.{}: found '{}'. Expected one of {}.".format(
                    self.place, key, value, ", ".join(choices)
                )
            )
        return value

    def count(self, key: str, default: Any) -> Any:
        value = self.get(key, int, default)
        if value is not None and value < 1:
            raise PipelineError("{}.{}: {} is less than 1.".format(self.place, key, value))
        return value

    def done(self) -> None:
        unknown = sorted(set(map(str, self.value)) - self._read)
        if unknown:
            raise PipelineError(
                "{}: '{}' is not known here. Expected some of {}.".format(
                    self.place, unknown[0], ", ".join(sorted(self._read))
                )
            )


_KINDS = {dict: "a mapping", list: "a list", str: "a text", int: "a whole number",
          bool: "true or false", float: "a number"}  # fmt: skip
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_UNITS = {"ms": 1, "s": 1000, "min": 60000, "h": 3600000}
_SIZES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def duration(text: Any, place: str) -> int:
    """Milliseconds of "500 ms", "10s", "5 min" or "1 h". Raises PipelineError."""
    match = re.match(r"(\d+)\s*(ms|s|min|h)\Z", str(text).strip())
    if match is None:
        raise PipelineError(
            "{}: '{}' is not a time. Expected one such as 500 ms, 10 s or 5 min.".format(
                place, text
            )
        )
    return int(match.group(1)) * _UNITS[match.group(2)]


def _size(text: Any, place: str) -> int:
    match = re.match(r"(\d+)\s*(KiB|MiB|GiB|)\Z", str(text).strip())
    if match is None:
        raise PipelineError("{}: '{}' is not a size such as 32 MiB.".format(place, text))
    return int(match.group(1)) * _SIZES[match.group(2)]


def _named(root: _Entry, key: str) -> List[_Entry]:
    entries = []
    for name, value in root.get(key, dict, {}).items():
        place = "{}.{}".format(key, name)
        if not _NAME.match(str(name)):
            raise PipelineError(
                "{}: a name has letters, digits and '_', and starts with no digit.".format(place)
            )
        entry = _Entry(value, place)
        entry.name = name  # type: ignore[attr-defined]
        entries.append(entry)
    return entries


def _at(place: str, parse: Any, value: Any) -> Any:
    try:
        return parse(value)
    except PipelineError as error:
        raise PipelineError("{}: {}".format(place, error)) from error


def _connector(entry: _Entry, name: str, columns: Dict[str, Any], source: str) -> Connector:
    options = {"connector": entry.get("connector", str, required=True)}
    for key, value in entry.get("options", dict, {}).items():
        options[str(key)] = str(value).lower() if isinstance(value, bool) else str(value)
    texts = tuple((str(column), str(rest)) for column, rest in columns.items())
    return Connector(name, texts, options, source)


def _source(entry: _Entry, name: str, parallelism: int) -> Any:
    columns = entry.get("schema", dict)
    if "connector" in entry.value:
        if not columns:
            raise PipelineError("{}: 'schema' is missing: a table has columns.".format(entry.place))
        source = _connector(entry, name, columns, "")
        entry.done()
        return source
    buffer = _Entry(entry.get("buffer", dict, {}), entry.place + ".buffer")
    defaults = SourceOptions()
    options = SourceOptions(
        on_error=entry.choice("on_error", (FAIL, LOG), FAIL),
        buffer_records=buffer.count("records", defaults.buffer_records),
        buffer_bytes=_size(
            buffer.get("size", (str, int), defaults.buffer_bytes), buffer.place + ".size"
        ),
        close_timeout=duration(entry.get("close_timeout", str, "5 s"), entry.place) / 1000.0,
    )
    buffer.done()
    source = PluginSource(
        name,
        entry.get("plugin", str, required=True),
        str(entry.get("datasource", (str, int), "")),
        entry.get("conf", dict, {}),
        _at(entry.place + ".schema", parse_schema, columns) if columns else None,
        entry.get("meta", str, ""),
        entry.count("parallelism", parallelism),
        options,
    )
    entry.done()
    return source


def _function(entry: _Entry, name: str) -> PluginFunction:
    result = entry.get("result", str)
    arguments = entry.get("arguments", list)
    function = PluginFunction(
        name,
        entry.get("plugin", str, name),
        _at(entry.place + ".result", parse_type, result) if result else None,
        [_at(entry.place + ".arguments", parse_type, text) for text in arguments]
        if arguments
        else None,
        entry.get("example", list),
        entry.choice("on_error", (FAIL, LOG), FAIL),
        entry.get("batched", bool, False),
    )
    entry.done()
    return function


def _step(entry: _Entry, name: str) -> Step:
    """A step is a query, or ``from`` with ``where``, ``call`` and ``keep``, chained like a map."""
    sql = entry.get("sql", str)
    if sql is not None:
        entry.done()
        return Step(name, sql.strip().rstrip(";"))
    source = entry.get("from", str, required=True)
    calls = entry.get("call", dict, {})
    keep = entry.get("keep", list, ["*"])
    columns = ["*" if column == "*" else "`{}`".format(column) for column in keep]
    for column, call in calls.items():
        columns.append("{} AS `{}`".format(call, column))
    where = entry.get("where", str)
    entry.done()
    sql = "SELECT {} FROM `{}`".format(", ".join(columns), source)
    return Step(name, sql + (" WHERE " + where if where else ""))


def _sink(entry: _Entry, name: str) -> Any:
    source = entry.get("from", str, required=True)
    if "connector" in entry.value:
        sink = _connector(entry, name, entry.get("schema", dict, {}), source)
        entry.done()
        return sink
    options = SinkOptions(
        on_error=entry.choice("on_error", (FAIL, LOG), FAIL),
        in_flight=entry.count("in_flight", SinkOptions().in_flight),
        ack_timeout=duration(entry.get("ack_timeout", str, "60 s"), entry.place) / 1000.0,
        close_timeout=duration(entry.get("close_timeout", str, "10 s"), entry.place) / 1000.0,
    )
    sink = PluginSinkEntry(
        name,
        entry.get("plugin", str, required=True),
        source,
        entry.get("conf", dict, {}),
        entry.count("parallelism", None),
        options,
    )
    entry.done()
    return sink


def _configuration(root: _Entry) -> Dict[str, str]:
    configuration = {}
    checkpoint = _Entry(root.get("checkpoint", dict, {}), "checkpoint")
    interval = checkpoint.get("interval", str)
    if interval is not None:
        milliseconds = duration(interval, "checkpoint.interval")
        configuration["execution.checkpointing.interval"] = "{} ms".format(milliseconds)
    timeout = checkpoint.get("timeout", str)
    if timeout is not None:
        milliseconds = duration(timeout, "checkpoint.timeout")
        configuration["execution.checkpointing.timeout"] = "{} ms".format(milliseconds)
    folder = checkpoint.get("folder", str)
    if folder is not None:
        configuration["state.checkpoints.dir"] = folder
        configuration["execution.checkpointing.dir"] = folder
    checkpoint.done()
    for key, value in root.get("configuration", dict, {}).items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        configuration[str(key)] = text
    return configuration


def check(content: Any) -> PipelineSpec:
    """Check the content of a pipeline file. Raises PipelineError that names the place."""
    root = _Entry(content, "pipeline")
    parallelism = root.count("parallelism", 1)
    sources = tuple(
        _source(entry, entry.name, parallelism)  # type: ignore[attr-defined]
        for entry in _named(root, "sources")
    )
    functions = tuple(
        _function(entry, entry.name)  # type: ignore[attr-defined]
        for entry in _named(root, "functions")
    )
    steps = tuple(
        _step(entry, entry.name)  # type: ignore[attr-defined]
        for entry in _named(root, "steps")
    )
    sinks = tuple(
        _sink(entry, entry.name)  # type: ignore[attr-defined]
        for entry in _named(root, "sinks")
    )
    spec = PipelineSpec(
        root.get("name", str, "pipeline"),
        parallelism,
        tuple(str(path) for path in root.get("plugins", list, [])),
        _configuration(root),
        sources,
        functions,
        steps,
        sinks,
    )
    root.done()
    for section, entries in (("sources", sources), ("sinks", sinks)):
        if not entries:
            raise PipelineError("pipeline: '{}' is empty: nothing would run.".format(section))
    known = [entry.name for entry in (*sources, *steps)]
    for name in known:
        if known.count(name) > 1:
            raise PipelineError("steps.{0}: there is a source called {0} too.".format(name))
    for sink in sinks:
        if sink.source not in known:
            raise PipelineError(
                "sinks.{}.from: there is no source or step '{}'. There are: {}.".format(
                    sink.name, sink.source, ", ".join(known)
                )
            )
    return spec
