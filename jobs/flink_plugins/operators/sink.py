"""A sink inside a job: every record it was given is answered before a checkpoint completes.

Flink ends the bundle of a Python operator before it takes part in a checkpoint. Records of a sink
that answers at once are safe by then. For one that answers later, the operator waits at the end of
each bundle. PyFlink calls no method of a user's function there, but it reads the gauges of the
operator's metrics: the wait is one of them. Whether that happens in this version and mode is
observed, not assumed: until the first such call, and again for ever if none comes (thread mode,
metrics switched off), each record is awaited by itself.
"""

from __future__ import annotations

import threading
from typing import Any, Dict, NamedTuple, Tuple

from pyflink.common import Types
from pyflink.datastream import ProcessFunction

from flink_plugins.loading import load
from flink_plugins.operators.metrics import (
    FlinkMetrics,
    in_process_mode,
    metric_group,
    subtask_index,
)
from flink_plugins.operators.orphan import forget, when_orphaned
from flink_plugins.refs import PluginRef
from flink_plugins.runtime.sink import SinkOptions, SinkRunner


class SinkSpec(NamedTuple):
    """What the operator needs to know of a sink; ``columns`` are those of its input."""

    ref: PluginRef
    name: str
    columns: Tuple[str, ...]
    conf: Dict[str, Any] = {}  # never changed
    job: str = "job"
    options: SinkOptions = SinkOptions()


class PluginSink(ProcessFunction):
    """Hands rows to the plugin as dicts."""

    def __init__(self, spec: SinkSpec) -> None:
        self._spec = spec

    def open(self, runtime_context: Any) -> None:
        """Make, configure and open the plugin. Raises PluginFailure."""
        spec = self._spec
        group = metric_group(runtime_context)
        self._metrics = FlinkMetrics(group)
        sink = load(spec.ref)
        sink.configure(dict(spec.conf))
        instance = subtask_index(runtime_context)
        self._runner = SinkRunner(sink, spec.options, spec.job, spec.name, instance, self._metrics)
        self._bundles_seen = False
        self._writing_thread = 0
        if self._runner.acknowledges and group is not None:
            group.gauge("inFlight", self._end_of_bundle)
        self._runner.open()
        when_orphaned(self._runner.close, in_process_mode(runtime_context))

    def process_element(self, value: Any, ctx: Any) -> Tuple[()]:
        """Write one record. Raises PluginFailure by the policy of the sink."""
        self._runner.write(dict(zip(self._spec.columns, value)))
        if self._runner.acknowledges:
            # Beam's worker gives each bundle to whichever of its threads has been idle longest.
            self._writing_thread = threading.get_ident()
            if not self._bundles_seen:
                self._runner.flush()
        self._metrics.publish()
        return ()

    def _end_of_bundle(self) -> int:
        if threading.get_ident() == self._writing_thread:
            self._bundles_seen = True
            self._runner.flush()
        return self._runner.pending

    def close(self) -> None:
        """Close the plugin."""
        runner = getattr(self, "_runner", None)
        if runner is not None:
            forget(runner.close)
            runner.close()


def add_sink(stream: Any, spec: SinkSpec) -> Any:
    """End ``stream``, of rows with the columns of ``spec``, in a plugin."""
    written = stream.process(PluginSink(spec), output_type=Types.BYTE())
    return written.name("sink " + spec.name).uid("flink-plugins-sink-" + spec.name)
