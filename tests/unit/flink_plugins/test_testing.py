"""The fixtures for plugin authors, used as they would."""

import time

import pytest
from flink_plugins.api import Function, Sink, Source
from flink_plugins.errors import PluginFailure
from flink_plugins.testing import call_function, run_sink, run_source  # noqa: F401


class Counter(Source):
    def configure(self, datasource, conf):
        self.name = datasource
        self.running = True

    def open(self, ctx):
        n = ctx.state.get("n", 0)
        while self.running:
            ctx.emit({"name": self.name, "n": n}, {"instance": ctx.get_instance_id()})
            n += 1
            ctx.state["n"] = n
            time.sleep(0.001)

    def close(self, ctx):
        self.running = False


class Collector(Sink):
    acknowledges = True

    def configure(self, conf):
        self.records = []

    def open(self, ctx):
        pass

    def collect(self, ctx, data):
        self.records.append(data)
        if data["n"] == 3:
            ctx.ack_error("three")
        else:
            ctx.ack_ok()

    def close(self, ctx):
        pass


class Add(Function):
    def validate(self, args):
        return "" if len(args) == 2 else "add takes two numbers"

    def exec(self, args, ctx):
        return args[0] + args[1]

    def is_aggregate(self):
        return False


def test_a_source_runs_and_can_be_resumed(run_source):  # noqa: F811
    run = run_source(Counter(), "x", count=5, state={"n": 2}, instance=1, parallelism=2)
    assert [record["n"] for record in run.records] == [2, 3, 4, 5, 6]
    assert run.metas[0] == {"instance": 1}
    assert run.state["n"] in (6, 7)
    assert run.closed


def test_too_few_records_fail_the_test(run_source):  # noqa: F811
    class Silent(Counter):
        def open(self, ctx):
            pass

    with pytest.raises(AssertionError, match=r"0 of 1 records within 0\.1 s"):
        run_source(Silent(), timeout=0.1)


def test_a_sink_is_run_and_its_refusals_raise(run_sink):  # noqa: F811
    sink = Collector()
    run_sink(sink, {}, [{"n": 1}, {"n": 2}])
    assert sink.records == [{"n": 1}, {"n": 2}]
    with pytest.raises(PluginFailure, match="three"):
        run_sink(sink, {}, [{"n": 3}])


def test_a_function_is_checked_and_called(call_function):  # noqa: F811
    assert call_function(Add(), 1, 2) == 3
    with pytest.raises(PluginFailure, match="add takes two numbers"):
        call_function(Add(), 1)


def test_another_kind_is_refused(run_sink):  # noqa: F811
    with pytest.raises(TypeError, match="methods of a source, not of a sink"):
        run_sink(Counter(), {}, [])
