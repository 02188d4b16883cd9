"""The Context that plugins are given, for each of their kinds."""

from __future__ import annotations

import io
import logging
from typing import Any, Callable, Dict, Iterator, MutableMapping, Optional

from flink_plugins.api import Context, Metrics


class LogStream(io.TextIOBase):
    """A text stream that logs each line written to it; has the methods of its logger too.

    eKuiper's own context hands out ``sys.stdout``, which a worker would lose; its type hint
    promises ``logging``. Plugins use either.
    """

    def __init__(self, logger: logging.Logger) -> None:
        super().__init__()
        self._logger = logger
        self._rest = ""

    def writable(self) -> bool:
        """True: plugins that ask before they print do so."""
        return True

    def write(self, text: str) -> int:
        """Log the lines that ``text`` completes."""
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._logger.info("%s", line)
        return len(text)

    def flush(self) -> None:
        """Log a line that was begun."""
        rest = self.__dict__.get("_rest")
        if rest:
            self._rest = ""
            self._logger.info("%s", rest)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._logger, name)


class NoMetrics(Metrics):
    """Metrics that nobody shows, for tests and for workers with metrics switched off."""

    def __init__(self) -> None:
        self.counters: Dict[str, int] = {}
        self.gauges: Dict[str, int] = {}

    def count(self, name: str, amount: int = 1) -> None:
        """Add ``amount`` to ``counters[name]``, which starts at 0."""
        self.counters[name] = self.counters.get(name, 0) + amount

    def gauge(self, name: str, value: int) -> None:
        """Set ``gauges[name]``; the last value wins."""
        self.gauges[name] = value


class SourceState(MutableMapping[str, Any]):
    """A plugin's state; each write is also handed to ``on_change`` as a small dict.

    A removed key is handed over as a key with `REMOVED` as its value.
    """

    REMOVED = object()

    def __init__(
        self, initial: Dict[str, Any], on_change: Optional[Callable[[Dict[str, Any]], None]]
    ) -> None:
        self._values = dict(initial)
        self._on_change = on_change

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self._values[key] = value
        if self._on_change is not None:
            self._on_change({key: value})

    def __delitem__(self, key: str) -> None:
        del self._values[key]
        if self._on_change is not None:
            self._on_change({key: self.REMOVED})

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._values))

    def __len__(self) -> int:
        return len(self._values)


class PluginContext(Context):
    """A context that can tell who it is and log; what a kind of plugin may do is added by it."""

    def __init__(
        self,
        job: str,
        operator: str,
        instance: int = 0,
        metrics: Optional[Metrics] = None,
        parallelism: int = 1,
    ) -> None:
        self._job = job
        self._operator = operator
        self._instance = instance
        self._parallelism = parallelism
        self._metrics = metrics or NoMetrics()
        self.logger = logging.getLogger(f"flink_plugins.plugin.{operator}")
        self._stream = LogStream(self.logger)
        self._state: MutableMapping[str, Any] = SourceState({}, None)

    def get_rule_id(self) -> str:
        """The name of the pipeline; in eKuiper it is the rule's id."""
        return self._job

    def get_op_id(self) -> str:
        """The name that the pipeline gives the operator; in eKuiper that of the plan's node."""
        return self._operator

    def get_instance_id(self) -> int:
        """From 0 to one less than `get_parallelism`; in eKuiper it is always 0."""
        return self._instance

    def get_parallelism(self) -> int:
        """How many instances share the work, 1 or more; eKuiper's context does not have it."""
        return self._parallelism

    def get_logger(self) -> Any:
        """A `LogStream`; eKuiper's context gives ``sys.stdout``."""
        return self._stream

    def emit(self, message: Dict[str, Any], meta: Dict[str, Any]) -> None:
        """Raise TypeError: only the context of a source takes records."""
        raise TypeError(f"emit() is for sources; {self._operator} is not a source")

    def emit_error(self, error: str) -> None:
        """Log ``error`` without failing the job; a source's context applies its policy."""
        self.logger.error("%s: %s", self._operator, error)

    def ack_ok(self) -> None:
        """Do nothing: only a sink has records to answer."""

    def ack_error(self, error: str) -> None:
        """Log ``error`` without failing the job; a sink's context applies its policy."""
        self.logger.error("%s: %s", self._operator, error)

    @property
    def state(self) -> MutableMapping[str, Any]:
        """A mapping that ends with the worker; that of a source's context is checkpointed."""
        return self._state

    @property
    def metrics(self) -> Metrics:
        """Flink's metrics of the operator, or `NoMetrics` that only counts."""
        return self._metrics
