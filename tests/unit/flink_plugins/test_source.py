import threading
import time

import pytest
from flink_plugins.api import Source
from flink_plugins.errors import PluginFailure, SourceClosed
from flink_plugins.runtime.buffer import Buffer, weigh
from flink_plugins.runtime.source import SourceOptions, SourceRunner


class Scripted(Source):
    """Does in open() what a test says, then waits to be closed."""

    def __init__(self, script, on_close=lambda: None):
        self.script = script
        self.on_close = on_close
        self.closed = threading.Event()

    def configure(self, datasource, conf):
        pass

    def open(self, ctx):
        self.script(ctx)
        self.closed.wait()

    def close(self, ctx):
        self.closed.set()
        self.on_close()


def runner_of(script, **options):
    source = script if isinstance(script, Source) else Scripted(script)
    runner = SourceRunner(source, lambda message, meta: message, SourceOptions(**options))
    runner.start()
    return runner


def drained(runner, count, limit=1000):
    records = []
    deadline = time.monotonic() + 5
    while len(records) < count and time.monotonic() < deadline:
        records += runner.drain(limit)[0]
        time.sleep(0.001)
    return records


def test_records_come_out_in_order_and_close_ends_the_thread():
    runner = runner_of(lambda ctx: [ctx.emit({"n": n}, {}) for n in range(5)])
    assert [record["n"] for record in drained(runner, 5, limit=2)] == [0, 1, 2, 3, 4]
    assert runner.stop()


def test_emit_blocks_while_the_buffer_is_full():
    sent = []

    def flood(ctx):
        for n in range(100):
            ctx.emit({"n": n}, {})
            sent.append(n)

    runner = runner_of(flood, buffer_records=10)
    time.sleep(0.2)
    assert len(sent) == 10
    assert len(drained(runner, 100)) == 100
    runner.stop()


def test_the_buffer_is_bounded_in_bytes_too():
    buffer = Buffer(records=1000, size=1000)
    buffer.put("big", 5000)
    waiting = threading.Thread(target=lambda: buffer.put("next", 10), daemon=True)
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    assert buffer.take(10, 100) == ["big"]
    waiting.join(1)
    assert buffer.take(10, 100) == ["next"]
    assert weigh({"text": "x" * 1000}) > 1000


def test_a_batch_is_bounded_in_bytes():
    buffer = Buffer(1000, 10**6)
    for n in range(10):
        buffer.put(n, 100)
    assert buffer.take(100, 250) == [0, 1]
    assert buffer.take(100, 1) == [2]
    assert buffer.take(100, 10**6) == list(range(3, 10))


def test_state_follows_the_records_emitted_before_it():
    step = threading.Event()

    def script(ctx):
        assert ctx.state == {"offset": 7}
        for n in (8, 9):
            ctx.emit({"n": n}, {})
            ctx.state["offset"] = n
        step.set()

    source = Scripted(script)
    runner = SourceRunner(source, lambda m, meta: m, restored={"offset": 7})
    runner.start()
    assert step.wait(5)
    assert runner.state == {"offset": 7}
    assert runner.drain(1) == ([{"n": 8}], False)
    assert runner.state == {"offset": 7}
    assert runner.drain(2) == ([{"n": 9}], True)
    assert runner.state == {"offset": 8}
    assert runner.drain(10) == ([], True)
    assert runner.state == {"offset": 9}
    runner.stop()


def test_an_exception_of_open_fails_the_job_after_what_was_emitted():
    def script(ctx):
        ctx.emit({"n": 1}, {})
        raise ConnectionError("no broker")

    runner = runner_of(script)
    assert drained(runner, 1) == [{"n": 1}]
    with pytest.raises(PluginFailure, match="no broker"):
        drained(runner, 1)
    runner.stop()


def test_after_an_error_nothing_follows_that_a_checkpoint_could_cover():
    ended = []

    def script(ctx):
        ctx.emit({"n": 1}, {})
        ctx.emit_error("poison")
        try:
            ctx.state["offset"] = 2
        except SourceClosed:
            ended.append(True)
            raise

    runner = runner_of(script)
    with pytest.raises(PluginFailure, match="poison"):
        drained(runner, 2)
    assert runner.state == {}
    assert ended == [True]
    runner.stop()


def test_under_log_errors_are_counted_and_open_is_tried_again():
    attempts = []

    def script(ctx):
        attempts.append(ctx)
        if len(attempts) < 3:
            raise ConnectionError("no broker")
        ctx.emit_error("a small one")
        ctx.emit({"n": 1}, {})

    runner = runner_of(script, on_error="log", pause=0.01)
    assert drained(runner, 1) == [{"n": 1}]
    assert len(attempts) == 3
    assert runner.context.metrics.counters == {"errors": 3}
    runner.stop()


def test_a_message_that_does_not_fit_is_an_error_of_the_record():
    def encode(message, meta):
        return int(message["n"])

    def script(ctx):
        ctx.emit({"n": "x"}, {})
        ctx.emit({"n": "2"}, {})

    source = Scripted(script)
    runner = SourceRunner(source, encode, SourceOptions(on_error="log"))
    runner.start()
    assert drained(runner, 1) == [2]
    runner.stop()


def test_emitting_something_else_than_a_dict_raises_in_the_plugin():
    raised = []

    def script(ctx):
        try:
            ctx.emit([1], {})
        except TypeError as error:
            raised.append(str(error))

    runner = SourceRunner(Scripted(script), lambda m, meta: m["n"])
    runner.start()
    time.sleep(0.1)
    assert raised == ["emit() takes a dict of column names to values, not list"]
    runner.stop()


def test_a_plugin_that_ignores_close_is_left_behind_in_time():
    class Deaf(Scripted):
        def close(self, ctx):
            time.sleep(60)

    runner = runner_of(Deaf(lambda ctx: None), close_timeout=0.2)
    start = time.monotonic()
    assert not runner.stop()
    assert time.monotonic() - start < 30  # the plugin would take 60


def test_a_blocked_emit_is_woken_by_close():
    ended = threading.Event()

    def flood(ctx):
        try:
            while True:
                ctx.emit({}, {})
        except SourceClosed:
            ended.set()
            raise

    runner = runner_of(flood, buffer_records=1)
    time.sleep(0.05)
    assert runner.stop()
    assert ended.is_set()
