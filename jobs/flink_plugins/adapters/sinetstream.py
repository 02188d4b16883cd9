"""SINETStream's readers and writers, with whatever messaging system they have a plugin for.

SINETStream's own MessageReader and MessageWriter do the work, so its configuration file, value
types, compression, encryption and wire format are the real ones. Written against sinetstream 1.10.

Settings (``conf``) of both source and sink:

``service``, ``config_file``
    A service of SINETStream's configuration file. The file is looked up as every file of a pipeline
    is; without ``config_file`` SINETStream looks in its own places. Without ``service`` the plugin
    is named ``sinetstream:<type>`` and everything is in ``params``.
``params``
    Parameters that SINETStream's constructors take, over those of the file.
``payload``
    ``raw`` (default): the columns are ``value``, ``topic`` and ``timestamp`` (microseconds).
    ``json``: the value is a JSON object, its members are the columns.
``mode``
    ``sync`` or ``async``: which of SINETStream's two APIs. Default: async for writers that have it
    and for the MQTT reader (whose other form keeps what it received in an unbounded queue), else
    sync.
"""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from typing import Any, Dict, Optional

from flink_plugins.adapters.kafka_positions import KafkaPositions
from flink_plugins.api import Context, Sink, Source
from flink_plugins.columns.convert import to_json
from flink_plugins.errors import PluginError, PluginNotFoundError, SourceClosed
from flink_plugins.files import locate

_RECEIVE_TIMEOUT_MS = 300


def _import() -> Any:
    """The package ``sinetstream``, brought to terms with the Avro that PyFlink 2 has.

    Its requirement avro-python3 owns the same folder as the ``avro`` that PyFlink 2 requires, so
    only one of them can be there. They differ here in two things: the name ``Parse``, and that
    avro-python3 ignores logical types. The bytes on the wire are the same.
    """
    try:
        import avro.schema

        if not hasattr(avro.schema, "Parse"):
            parse = avro.schema.parse

            def parse_plain(text: str) -> Any:
                return parse(json.dumps(_without_logical_types(json.loads(text))))

            avro.schema.Parse = parse_plain
        import sinetstream
    except ImportError as error:
        raise PluginNotFoundError(
            f"Could not import the package 'sinetstream': {error}. Add 'sinetstream' and the "
            "plugin of the messaging system, such as 'sinetstream-mqtt', to deps.zip."
        ) from error
    return sinetstream


def _without_logical_types(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {k: _without_logical_types(v) for k, v in schema.items() if k != "logicalType"}
    if isinstance(schema, list):
        return [_without_logical_types(each) for each in schema]
    return schema


class _Undecodable(Exception):  # noqa: N818
    """A message that SINETStream could not unpack, decrypt or convert."""


def _decoding(base: type) -> type:
    """``base``, a reader, with errors of decoding told apart from those of the connection."""

    class Decoding(base):
        def _make_message(self, value: Any, topic: str, raw: Any) -> Any:
            try:
                return super()._make_message(value, topic, raw)
            except Exception as error:
                raise _Undecodable(
                    f"a message of topic '{topic}' does not decode: {error!r}"
                ) from error

    return Decoding


class _Settings:
    """The ``conf`` of a source or sink, checked."""

    def __init__(self, type_: str, conf: Dict[str, Any], topics_key: str, datasource: str) -> None:
        conf = dict(conf)
        self.type = type_
        self.service = conf.pop("service", None)
        self.config_file = conf.pop("config_file", None)
        self.payload = conf.pop("payload", "raw")
        self.mode = conf.pop("mode", None)
        self.params = dict(conf.pop("params", {}))
        topic = conf.pop("topic", None) or datasource or None
        if conf:
            raise PluginError(
                f"SINETStream: '{sorted(conf)[0]}' is not a setting. Expected service, "
                "config_file, params, topic, payload or mode."
            )
        if self.payload not in ("raw", "json") or self.mode not in (None, "sync", "async"):
            raise PluginError("SINETStream: payload is raw or json, mode is sync or async.")
        if self.service is None and not type_:
            raise PluginError(
                "SINETStream: name a 'service' of its configuration file, or the messaging system "
                "as plugin 'sinetstream:<type>'."
            )
        if topic is not None:
            several = "," in topic and topics_key == "topics"
            self.params[topics_key] = topic.split(",") if several else topic

    def make(self, cls: type, **more: Any) -> Any:
        """A reader or writer of SINETStream."""
        arguments = dict(self.params, **more)
        if self.service is None:
            return cls(no_config=True, type=self.type, **arguments)
        if self.config_file is not None:
            arguments["config_file"] = locate(self.config_file)
        return cls(self.service, **arguments)


class SinetStreamSource(Source):
    """Reads messages with MessageReader or AsyncMessageReader."""

    def __init__(self, type_: str = "") -> None:
        self._type = type_
        self._closing = threading.Event()
        self._failed = threading.Event()
        self._error: Optional[BaseException] = None

    def configure(self, datasource: str, conf: Dict[str, Any]) -> None:
        self._settings = _Settings(self._type, conf, "topics", datasource)

    def open(self, ctx: Context) -> None:
        sinetstream = _import()
        settings = self._settings
        synchronous = _decoding(sinetstream.MessageReader)
        reader = settings.make(synchronous, receive_timeout_ms=_RECEIVE_TIMEOUT_MS)
        mode = settings.mode or ("async" if reader.params.get("type") == "mqtt" else "sync")
        if mode == "async":
            reader = settings.make(_decoding(sinetstream.AsyncMessageReader))
            self._read_async(reader, ctx)
        else:
            self._read(reader, ctx)

    def _read(self, reader: Any, ctx: Context) -> None:
        kafka_params = getattr(reader._plugin, "_kafka_params", None)
        if kafka_params is not None:
            kafka_params["enable_auto_commit"] = False
        reader.open()
        try:
            positions = None
            if kafka_params is not None:
                topics = reader.topics if isinstance(reader.topics, list) else [reader.topics]
                positions = KafkaPositions(reader._plugin._client, topics, ctx, self._closing)
                if positions.empty:
                    self._closing.wait()
            while not self._closing.is_set():
                self._read_until_silence(reader, ctx, positions)
        finally:
            reader.close()

    def _read_until_silence(
        self, reader: Any, ctx: Context, positions: Optional[KafkaPositions]
    ) -> None:
        messages = iter(reader)
        while not self._closing.is_set():
            try:
                message = next(messages)
            except StopIteration:
                return
            except RuntimeError as error:
                # A plugin's generator that raises StopIteration by hand, as the guide has it.
                if isinstance(error.__cause__, StopIteration):
                    return
                raise
            except _Undecodable as error:
                ctx.emit_error(str(error))
                continue
            self._emit(ctx, message)
            if positions is not None:
                positions.passed(message.raw)

    def _read_async(self, reader: Any, ctx: Context) -> None:
        reader.on_message = lambda message: self._emit(ctx, message)
        with suppress(AttributeError):  # the MQTT plugin has no way to set it
            reader.on_failure = lambda error, traceback=None: self._fail(error)
        received = reader._plugin.on_message

        def guarded(value: Any, topic: str, raw: Any) -> None:
            try:
                received(value, topic, raw)
            except _Undecodable as error:
                ctx.emit_error(str(error))
            except SourceClosed:
                self._fail(None)
            except Exception as error:
                self._fail(error)

        reader._plugin.on_message = guarded
        reader.open()
        try:
            while not self._closing.is_set() and not self._failed.wait(0.1):
                pass
        finally:
            reader.close()
        if self._error is not None:
            error, self._error = self._error, None
            self._failed.clear()
            raise error

    def _fail(self, error: Optional[BaseException]) -> None:
        self._error = error
        self._failed.set()

    def _emit(self, ctx: Context, message: Any) -> None:
        meta = {"topic": message.topic, "timestamp": message.timestamp_us}
        if self._settings.payload == "raw":
            record = {"value": message.value}
            record.update(meta)
        else:
            try:
                record = json.loads(message.value)
            except ValueError as error:
                ctx.emit_error(f"a message of topic '{message.topic}' is not JSON: {error}")
                return
        ctx.emit(record, meta)

    def close(self, ctx: Context) -> None:
        self._closing.set()


class SinetStreamSink(Sink):
    """Publishes messages with MessageWriter or AsyncMessageWriter."""

    def __init__(self, type_: str = "") -> None:
        self._type = type_
        self._writer: Any = None

    def configure(self, conf: Dict[str, Any]) -> None:
        self._settings = _Settings(self._type, conf, "topic", "")
        # Known only with SINETStream's configuration, which the operator asks for before open().
        self.acknowledges = self._make()

    def _make(self) -> bool:
        sinetstream = _import()
        settings = self._settings
        if settings.mode != "sync":
            try:
                self._writer = settings.make(sinetstream.AsyncMessageWriter)
                return True
            except sinetstream.UnsupportedServiceTypeError:
                if settings.mode == "async":
                    raise
        self._writer = settings.make(sinetstream.MessageWriter)
        return False

    def open(self, ctx: Context) -> None:
        self._writer.open()

    def collect(self, ctx: Context, data: Dict[str, Any]) -> None:
        published = self._writer.publish(self._value(data))
        if self.acknowledges:
            published.then(lambda _: ctx.ack_ok(), lambda error: ctx.ack_error(repr(error)))

    def _value(self, data: Dict[str, Any]) -> Any:
        if self._settings.payload == "json":
            value: Any = json.dumps(to_json(data), ensure_ascii=False)
        elif "value" in data:
            value = data["value"]
        else:
            columns = ", ".join(data)
            raise PluginError(
                f"SINETStream: the row has no column 'value', only {columns}. Rename one to "
                "'value', or set 'payload: json'."
            )
        kind = self._writer.value_type
        if kind == "text" and isinstance(value, (bytes, bytearray)):
            return bytes(value).decode("utf-8")
        if kind == "byte_array" and isinstance(value, str):
            return value.encode("utf-8")
        return bytes(value) if isinstance(value, bytearray) else value

    def close(self, ctx: Context) -> None:
        self._writer.close()


def source(type_: str = "") -> SinetStreamSource:
    """A source for the messaging system ``type_``, or for a service of the configuration file."""
    return SinetStreamSource(type_)


def sink(type_: str = "") -> SinetStreamSink:
    """A sink for the messaging system ``type_``, or for a service of the configuration file."""
    return SinetStreamSink(type_)
