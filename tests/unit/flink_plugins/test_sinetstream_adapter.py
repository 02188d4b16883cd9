"""SINETStream's own readers and writers around its guide's queue plugin."""

import sys
import threading
import time
import types
from collections import defaultdict
from queue import Empty, Queue

import pytest
import sinetstream
from flink_plugins import discovery
from flink_plugins.errors import PluginError, PluginFailure
from flink_plugins.loading import load
from flink_plugins.runtime.sink import SinkRunner
from flink_plugins.runtime.source import SourceOptions, SourceRunner
from promise import Promise
from sinetstream.api import (
    AsyncMessageReader,
    AsyncMessageWriter,
    MessageReader,
    MessageWriter,
)
from sinetstream.spi import (
    PluginAsyncMessageReader,
    PluginAsyncMessageWriter,
    PluginMessageReader,
    PluginMessageWriter,
)

queues = defaultdict(Queue)


class QueueReader(PluginMessageReader):
    def __init__(self, confver, params):
        self.topic = params["topics"]
        self.timeout = params["receive_timeout_ms"] / 1000.0

    def open(self):
        self.queue = queues[self.topic]

    def close(self):
        self.queue = None

    def __iter__(self):
        while True:
            try:
                value = self.queue.get(timeout=self.timeout)
            except Empty:
                raise StopIteration()  # noqa: B904  # as the guide has it
            yield value, self.topic, value


class QueueWriter(PluginMessageWriter):
    def __init__(self, confver, params):
        self.topic = params["topic"]

    def open(self):
        pass

    def close(self):
        pass

    def publish(self, value):
        queues[self.topic].put(bytes(value))


class QueueAsyncWriter(QueueWriter, PluginAsyncMessageWriter):
    def publish(self, value):
        def deliver(resolve, reject):
            def put():
                super(QueueAsyncWriter, self).publish(value)
                resolve(None)

            threading.Timer(0.05, put).start()

        return Promise(deliver)


class QueueAsyncReader(PluginAsyncMessageReader):
    on_message = None
    on_failure = None

    def __init__(self, confver, params):
        self.topic = params["topics"]

    def open(self):
        self.running = True
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def loop(self):
        while self.running:
            try:
                value = queues[self.topic].get(timeout=0.05)
            except Empty:
                continue
            self.on_message(value, self.topic, value)

    def close(self):
        # A reader that is left waiting would take the next test's message.
        self.running = False
        if threading.current_thread() is not self.thread:
            self.thread.join(5)


@pytest.fixture(autouse=True)
def queue_plugin(monkeypatch):
    """Registered as its entry points would do it."""
    queues.clear()
    for base, plugin in (
        (MessageReader, QueueReader),
        (MessageWriter, QueueWriter),
        (AsyncMessageReader, QueueAsyncReader),
        (AsyncMessageWriter, QueueAsyncWriter),
    ):
        point = types.SimpleNamespace(load=lambda plugin=plugin: plugin)
        monkeypatch.setitem(base.registry._plugins, "queue", point)


def source(conf, **options):
    plugin = load(discovery.Registry([]).find("source", "sinetstream:queue"))
    plugin.configure("topic-1", conf)
    runner = SourceRunner(plugin, lambda message, meta: message, SourceOptions(**options))
    runner.start()
    return runner


def publish(*values, **params):
    with sinetstream.MessageWriter(
        no_config=True, type="queue", topic="topic-1", value_type="text", **params
    ) as writer:
        for value in values:
            writer.publish(value)


def drained(runner, count):
    records = []
    deadline = time.monotonic() + 5
    while len(records) < count and time.monotonic() < deadline:
        records += runner.drain(100)[0]
        time.sleep(0.005)
    return records


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_plain_programs_messages_are_read(mode):
    runner = source({"params": {"value_type": "text"}, "mode": mode})
    before = time.time() * 1e6
    publish("eins", "zwei")
    records = drained(runner, 2)
    assert [record["value"] for record in records] == ["eins", "zwei"]
    assert records[0]["topic"] == "topic-1"
    assert abs(records[0]["timestamp"] - before) < 5e6
    time.sleep(0.5)  # longer than the reader's own timeout
    publish("drei")
    assert drained(runner, 1)[0]["value"] == "drei"
    assert runner.stop()


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_message_that_does_not_decode_fails_or_is_logged(mode):
    conf = {"params": {"value_type": "text"}, "mode": mode}
    queues["topic-1"].put(b"not of SINETStream")
    runner = source(conf)
    with pytest.raises(PluginFailure, match="a message of topic 'topic-1' does not decode"):
        drained(runner, 1)
    runner.stop()

    queues["topic-1"].put(b"not of SINETStream")
    publish("good")
    runner = source(conf, on_error="log")
    assert [record["value"] for record in drained(runner, 1)] == ["good"]
    assert runner.context.metrics.counters == {"errors": 1}
    runner.stop()


def test_json_payloads_become_columns():
    publish('{"a": 1}')
    runner = source({"params": {"value_type": "text"}, "payload": "json"})
    assert drained(runner, 1) == [{"a": 1}]
    runner.stop()


@pytest.mark.parametrize(("mode", "acknowledges"), [("sync", False), (None, True)])
def test_what_the_sink_acknowledged_a_plain_program_reads(mode, acknowledges):
    plugin = load(discovery.Registry([]).find("sink", "sinetstream:queue"))
    plugin.configure({"topic": "topic-1", "mode": mode, "params": {"value_type": "text"}})
    runner = SinkRunner(plugin)
    assert runner.acknowledges is acknowledges
    runner.open()
    for value in ("eins", b"zwei"):
        runner.write({"value": value})
    runner.flush()
    assert queues["topic-1"].qsize() == 2
    runner.close()

    reader = sinetstream.MessageReader(
        no_config=True, type="queue", topics="topic-1", value_type="text", receive_timeout_ms=100
    )
    with reader as messages:
        iterator = iter(messages)
        assert sorted(next(iterator).value for _ in range(2)) == ["eins", "zwei"]


def test_a_service_of_a_configuration_file_with_encryption_is_used(tmp_path, monkeypatch):
    (tmp_path / "sinet.yml").write_text("""
header: {version: 3}
config:
  secret:
    type: queue
    topic: topic-1
    value_type: text
    data_compression: true
    data_encryption: true
    crypto:
      {algorithm: AES, key_length: 128, mode: EAX, password: p, key_derivation: {algorithm: pbkdf2}}
""")
    monkeypatch.chdir(tmp_path)
    conf = {"service": "secret", "config_file": "sinet.yml"}
    sink = load(discovery.Registry([]).find("sink", "sinetstream"))
    sink.configure(conf)
    runner = SinkRunner(sink)
    runner.open()
    runner.write({"value": "hidden"})
    runner.flush()
    assert b"hidden" not in queues["topic-1"].queue[0]

    reading = load(discovery.Registry([]).find("source", "sinetstream"))
    reading.configure("", conf)
    reader = SourceRunner(reading, lambda message, meta: message)
    reader.start()
    assert drained(reader, 1)[0]["value"] == "hidden"
    reader.stop()


@pytest.mark.parametrize(
    ("conf", "said"),
    [
        ({"topics": ["a"]}, "'topics' is not a setting"),
        ({"payload": "xml"}, "payload is raw or json"),
    ],
)
def test_wrong_settings_are_refused(conf, said):
    plugin = load(discovery.Registry([]).find("source", "sinetstream:queue"))
    with pytest.raises(PluginError, match=said):
        plugin.configure("", conf)


def test_the_avro_of_pyflink_2_will_do(monkeypatch):
    """PyFlink 2 has avro 1.12, where ``Parse`` is gone and logical types are checked."""
    import avro.schema
    from flink_plugins.adapters import sinetstream as adapter

    seen = []
    monkeypatch.delattr(avro.schema, "Parse")
    monkeypatch.setattr(avro.schema, "parse", seen.append, raising=False)
    adapter._import()
    avro.schema.Parse('{"type": "long", "logicalType": "timestamp-micros"}')
    assert seen == ['{"type": "long"}']
    assert "sinetstream" in sys.modules
