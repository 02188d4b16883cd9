import threading

import pytest
from flink_plugins.api import Sink
from flink_plugins.errors import PluginFailure
from flink_plugins.runtime.sink import SinkOptions, SinkRunner


class Recording(Sink):
    def __init__(self, acknowledges=False, collect=None):
        self.acknowledges = acknowledges
        self.taken = []
        self.on_collect = collect or (lambda ctx, data: None)
        self.ended = False

    def configure(self, conf):
        pass

    def open(self, ctx):
        pass

    def collect(self, ctx, data):
        self.taken.append(data)
        self.on_collect(ctx, data)

    def close(self, ctx):
        self.ended = True


def later(seconds, call):
    threading.Timer(seconds, call).start()


def test_returning_from_collect_acknowledges():
    sink = Recording()
    runner = SinkRunner(sink)
    runner.open()
    runner.write({"n": 1})
    runner.flush()
    runner.close()
    assert sink.taken == [{"n": 1}]
    assert sink.ended


def test_flush_waits_for_every_answer():
    answered = []

    def collect(ctx, data):
        later(0.1, lambda: (answered.append(data), ctx.ack_ok()))

    runner = SinkRunner(Recording(True, collect))
    runner.open()
    for n in range(5):
        runner.write(n)
    assert runner.pending == 5
    runner.flush()
    assert sorted(answered) == [0, 1, 2, 3, 4]
    assert runner.pending == 0


def test_no_more_than_in_flight_records_wait():
    most = []

    def collect(ctx, data):
        most.append(runner.pending)
        later(0.01, ctx.ack_ok)

    runner = SinkRunner(Recording(True, collect), SinkOptions(in_flight=3))
    runner.open()
    for n in range(10):
        runner.write(n)
    runner.flush()
    assert max(most) == 3


def test_a_refused_record_fails_the_next_write_or_flush():
    runner = SinkRunner(Recording(True, lambda ctx, data: ctx.ack_error("disk full")))
    runner.open()
    with pytest.raises(PluginFailure, match="disk full"):
        runner.write(1)
    with pytest.raises(PluginFailure, match="disk full"):
        runner.flush()


def test_ack_error_of_a_sink_that_does_not_acknowledge_counts_too():
    runner = SinkRunner(Recording(False, lambda ctx, data: ctx.ack_error("no")))
    runner.open()
    with pytest.raises(PluginFailure, match="no"):
        runner.write(1)


def test_under_log_the_record_is_left_out_and_counted():
    def collect(ctx, data):
        raise ValueError("poison")

    for acknowledges in (False, True):
        runner = SinkRunner(Recording(acknowledges, collect), SinkOptions(on_error="log"))
        runner.open()
        runner.write(1)
        runner.flush()
        assert runner.context.metrics.counters == {"errors": 1}


def test_a_sink_that_never_answers_fails_in_time():
    runner = SinkRunner(Recording(True), SinkOptions(ack_timeout=0.2))
    runner.open()
    runner.write(1)
    with pytest.raises(PluginFailure, match=r"1 records were not acknowledged within"):
        runner.flush()


def test_open_that_raises_closes_and_fails():
    class Broken(Recording):
        def open(self, ctx):
            raise ConnectionError("no broker")

    sink = Broken()
    with pytest.raises(PluginFailure, match="no broker"):
        SinkRunner(sink).open()
    assert sink.ended
