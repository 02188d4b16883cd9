"""Pytest fixtures for plugin authors: plugins run as an operator runs them, without Flink.

They come with the distribution (a pytest plugin), so a test only names them::

    def test_it_counts(run_source):
        run = run_source(Counter(), "device-1", {"interval": 10}, count=3)
        assert [record["n"] for record in run.records] == [0, 1, 2]
        assert run.closed
"""

from __future__ import annotations

import time
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional

import pytest

from flink_plugins.errors import FAIL, PluginFailure
from flink_plugins.refs import FUNCTION, SINK, SOURCE, kind_of
from flink_plugins.runtime.context import NoMetrics, PluginContext
from flink_plugins.runtime.sink import SinkOptions, SinkRunner
from flink_plugins.runtime.source import SourceOptions, SourceRunner


class SourceRun(NamedTuple):
    """What a source did.

    ``records`` and ``metas`` were emitted, in order; ``state`` is what a checkpoint after them
    would hold; ``closed`` says whether its threads ended after ``close`` in time; ``errors`` counts
    what it reported under the policy "log".
    """

    records: List[Dict[str, Any]]
    metas: List[Optional[Dict[str, Any]]]
    state: Dict[str, Any]
    closed: bool
    errors: int


def _expect(plugin: Any, kind: str) -> None:
    found = kind_of(plugin)
    if found != kind:
        raise TypeError(f"{plugin!r} has the methods of a {found}, not of a {kind}")


@pytest.fixture
def run_source() -> Callable[..., SourceRun]:
    """Run a source until it has emitted ``count`` records, then close it.

    ``run_source(source, datasource="", conf={}, count=1, timeout=10.0, state={}, on_error="fail",
    instance=0, parallelism=1)``. Raises PluginFailure as the job would, and AssertionError when
    there are not enough records after ``timeout`` seconds.
    """

    def run(
        source: Any,
        datasource: str = "",
        conf: Optional[Dict[str, Any]] = None,
        count: int = 1,
        timeout: float = 10.0,
        state: Optional[Dict[str, Any]] = None,
        on_error: str = FAIL,
        instance: int = 0,
        parallelism: int = 1,
    ) -> SourceRun:
        _expect(source, SOURCE)
        source.configure(datasource, conf or {})
        metrics = NoMetrics()
        runner = SourceRunner(
            source,
            lambda message, meta: (dict(message), meta),
            SourceOptions(on_error=on_error, pause=0.05),
            instance=instance,
            restored=state,
            metrics=metrics,
            parallelism=parallelism,
        )
        pairs: List[Any] = []
        runner.start()
        deadline = time.monotonic() + timeout
        try:
            while len(pairs) < count and time.monotonic() < deadline:
                pairs.extend(runner.drain(count - len(pairs))[0])
                time.sleep(0.002)
            if runner.waiting:
                runner.drain_state()
        finally:
            closed = runner.stop()
        assert len(pairs) >= count, f"{len(pairs)} of {count} records within {timeout:g} s"
        return SourceRun(
            [record for record, _ in pairs],
            [meta for _, meta in pairs],
            dict(runner.state),
            closed,
            metrics.counters.get("errors", 0),
        )

    return run


@pytest.fixture
def run_sink() -> Callable[..., None]:
    """Give a sink records, wait for its acknowledgements, and close it.

    ``run_sink(sink, conf, records, on_error="fail", ack_timeout=10.0)``. Raises PluginFailure as
    the job would: the records before are acknowledged, the checkpoint does not complete.
    """

    def run(
        sink: Any,
        conf: Dict[str, Any],
        records: Iterable[Dict[str, Any]],
        on_error: str = FAIL,
        ack_timeout: float = 10.0,
    ) -> None:
        _expect(sink, SINK)
        sink.configure(conf)
        runner = SinkRunner(sink, SinkOptions(on_error=on_error, ack_timeout=ack_timeout))
        runner.open()
        try:
            for record in records:
                runner.write(record)
            runner.flush()
        finally:
            runner.close()

    return run


@pytest.fixture
def call_function() -> Callable[..., Any]:
    """Check and call a function: ``call_function(function, *args)`` gives its result.

    An aggregate takes one list per argument. Raises PluginFailure with the plugin's message when
    ``validate`` refuses that number of arguments.
    """

    def call(function: Any, *args: Any) -> Any:
        _expect(function, FUNCTION)
        said = function.validate([f"argument_{index}" for index in range(len(args))])
        if said:
            raise PluginFailure(said)
        return function.exec(list(args), PluginContext("test", type(function).__name__))

    return call
