"""A plugin's metrics, brought from whatever thread it counts in to Flink's metric group."""

from __future__ import annotations

import threading
from typing import Any, Dict, Optional, Set

from flink_plugins.runtime.context import NoMetrics


def metric_group(runtime_context: Any) -> Optional[Any]:
    """Flink's metric group of this operator, or None where metrics are switched off."""
    try:
        return runtime_context.get_metrics_group()
    except (RuntimeError, AttributeError):
        return None


def subtask_index(runtime_context: Any) -> int:
    """The index of this parallel subtask, from 0."""
    try:
        return int(runtime_context.get_index_of_this_subtask())
    except AttributeError:
        # In thread mode PyFlink 2.x calls a Java method that Flink 2.0 moved.
        return int(runtime_context._runtime_context.getTaskInfo().getIndexOfThisSubtask())


def in_process_mode(runtime_context: Any) -> bool:
    """Whether Python runs in a process of its own, and not in Flink's."""
    return "embedded" not in type(runtime_context).__module__


class FlinkMetrics(NoMetrics):
    """Counts in any thread; `publish`, called in the operator's thread, tells Flink.

    Metrics of Beam belong to the thread that processes a bundle: counted elsewhere they are lost.
    """

    def __init__(self, group: Optional[Any]) -> None:
        super().__init__()
        self._group = group
        self._lock = threading.Lock()
        self._flink: Dict[str, Any] = {}
        self._gauged: Set[str] = set()

    def count(self, name: str, amount: int = 1) -> None:
        """Add to the counter ``name``."""
        with self._lock:
            super().count(name, amount)

    def publish(self) -> None:
        """Hand over what was counted since the last call."""
        if self._group is None or not (self.counters or self.gauges):
            return
        with self._lock:
            counted, self.counters = self.counters, {}
        for name, amount in counted.items():
            if name not in self._flink:
                self._flink[name] = self._group.counter(name)
            self._flink[name].inc(amount)
        for name in list(self.gauges):
            if name not in self._gauged:
                self._gauged.add(name)
                self._group.gauge(name, lambda name=name: int(self.gauges[name]))
