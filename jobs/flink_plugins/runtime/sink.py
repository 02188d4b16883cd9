"""Running a sink: acknowledgements, what is in flight, errors."""

from __future__ import annotations

import threading
import time
import traceback
from typing import Any, NamedTuple, Optional

from flink_plugins.api import Metrics, Sink
from flink_plugins.errors import FAIL, LOG, PluginFailure
from flink_plugins.runtime.context import PluginContext


class SinkOptions(NamedTuple):
    """How a sink is run.

    ``on_error`` is "fail" or "log"; ``in_flight`` bounds the records that an acknowledging sink
    has not answered; ``ack_timeout`` and ``close_timeout`` are in seconds.
    """

    on_error: str = FAIL
    in_flight: int = 1000
    ack_timeout: float = 60.0
    close_timeout: float = 10.0


class _SinkContext(PluginContext):
    def __init__(
        self, runner: "SinkRunner", job: str, name: str, instance: int, metrics: Optional[Metrics]
    ) -> None:
        super().__init__(job, name, instance, metrics)
        self._runner = runner

    def ack_ok(self) -> None:
        self._runner.answered(None)

    def ack_error(self, error: str) -> None:
        self._runner.answered(str(error))


class SinkRunner:
    """Hands records to ``sink``, and knows which of them it has answered."""

    def __init__(
        self,
        sink: Sink,
        options: SinkOptions = SinkOptions(),  # noqa: B008  # immutable
        job: str = "job",
        name: str = "sink",
        instance: int = 0,
        metrics: Optional[Metrics] = None,
    ) -> None:
        self.name = name
        self._sink = sink
        self._options = options
        self.acknowledges = bool(getattr(sink, "acknowledges", False))
        self._pending = 0
        self._failure: Optional[str] = None
        self._changed = threading.Condition()
        self.context = _SinkContext(self, job, name, instance, metrics)
        self._opened = False

    @property
    def pending(self) -> int:
        """How many records wait for an answer."""
        return self._pending

    def open(self) -> None:
        """Open the sink. Raises PluginFailure; the policy does not apply before records flow."""
        try:
            self._sink.open(self.context)
        except Exception as error:
            self._close_plugin()
            raise PluginFailure(
                f"sink {self.name}: open() raised\n{traceback.format_exc()}"
            ) from error
        self._opened = True

    def write(self, data: Any) -> None:
        """Hand over one record; waits for room if too many are in flight.

        Raises PluginFailure by the policy: for this record or, if the sink answers later, for an
        earlier one.
        """
        if self.acknowledges:
            self._wait(self._options.in_flight - 1)
            with self._changed:
                self._pending += 1
        try:
            self._sink.collect(self.context, data)
        except Exception as error:
            if self.acknowledges:
                with self._changed:
                    self._pending -= 1
            self._report("collect() raised\n" + traceback.format_exc(), error)
        self._raise()

    def flush(self) -> None:
        """Wait until every record is answered. Raises PluginFailure by the policy."""
        if self.acknowledges:
            self._wait(0)
        self._raise()

    def answered(self, error: Optional[str]) -> None:
        """The sink answered its oldest open record, with an error or None; from any thread."""
        if error is not None:
            self._report("the sink refused a record: " + error, None)
        with self._changed:
            if self._pending > 0:
                self._pending -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Close the sink within the time limit; what it raises is logged."""
        if not self._opened:
            return
        self._opened = False
        closer = threading.Thread(target=self._close_plugin, daemon=True)
        closer.start()
        closer.join(self._options.close_timeout)
        if closer.is_alive():
            self.context.logger.warning(
                "sink %s: close() still runs after %.0f s; it is left behind",
                self.name,
                self._options.close_timeout,
            )

    def _close_plugin(self) -> None:
        try:
            self._sink.close(self.context)
        except Exception:
            self.context.logger.exception("sink %s: close() raised", self.name)

    def _report(self, text: str, error: Optional[BaseException]) -> None:
        if self._options.on_error == LOG:
            self.context.metrics.count("errors")
            self.context.logger.error("sink %s: %s", self.name, text, exc_info=error)
        else:
            with self._changed:
                if self._failure is None:
                    self._failure = text
                self._changed.notify_all()

    def _raise(self) -> None:
        if self._failure is not None:
            raise PluginFailure(f"sink {self.name}: {self._failure}")

    def _wait(self, most: int) -> None:
        deadline = time.monotonic() + self._options.ack_timeout
        with self._changed:
            while self._pending > most and self._failure is None:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise PluginFailure(
                        f"sink {self.name}: {self._pending} records were not acknowledged within "
                        f"{self._options.ack_timeout:.0f} s"
                    )
                self._changed.wait(left)
