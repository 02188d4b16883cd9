"""Running a source: its thread, its buffer, its state, its errors and its end."""

from __future__ import annotations

import threading
import time
import traceback
from typing import Any, Callable, Dict, List, MutableMapping, NamedTuple, Optional, Tuple

from flink_plugins.api import Metrics, Source
from flink_plugins.errors import FAIL, LOG, PluginFailure, SourceClosed
from flink_plugins.runtime.buffer import Buffer, weigh
from flink_plugins.runtime.context import PluginContext, SourceState

_STATE_WEIGHT = 64
_LONGEST_PAUSE = 30.0


class _StateChange(Dict[str, Any]):
    """Writes to ``ctx.state``, in their place among the records."""


class SourceOptions(NamedTuple):
    """How a source is run.

    ``on_error`` is "fail" or "log"; ``buffer_records`` and ``buffer_bytes`` bound what waits for
    the job; ``close_timeout`` is in seconds; ``pause`` is the first wait before a source that
    failed under "log" is opened again (it doubles up to 30 s).
    """

    on_error: str = FAIL
    buffer_records: int = 20000
    buffer_bytes: int = 32 << 20
    close_timeout: float = 5.0
    pause: float = 1.0


class _SourceContext(PluginContext):
    def __init__(self, runner: "SourceRunner", metrics: Optional[Metrics]) -> None:
        super().__init__(runner.job, runner.name, runner.instance, metrics, runner.parallelism)
        self._runner = runner
        self._state = SourceState(runner.restored, runner.write_state)
        self.emit = runner.emit  # type: ignore[method-assign]  # saves a call for each record

    def emit_error(self, error: str) -> None:
        self._runner.report(error, None)


class SourceRunner:
    """Runs ``source`` in a thread; the operator asks for what it emitted with `drain`.

    ``encode(message, meta)`` turns an emitted message into a record and is called in the thread of
    the plugin; what it raises is an error of that record. ``restored`` is the state to start from.
    """

    def __init__(
        self,
        source: Source,
        encode: Callable[[Dict[str, Any], Any], Any],
        options: SourceOptions = SourceOptions(),  # noqa: B008  # immutable
        job: str = "job",
        name: str = "source",
        instance: int = 0,
        restored: Optional[Dict[str, Any]] = None,
        metrics: Optional[Metrics] = None,
        parallelism: int = 1,
    ) -> None:
        self.job = job
        self.name = name
        self.instance = instance
        self.parallelism = parallelism
        self.restored = dict(restored or {})
        self._source = source
        self._encode = encode
        self._options = options
        self._buffer = Buffer(options.buffer_records, options.buffer_bytes)
        self._put = self._buffer.put
        self._committed = dict(self.restored)
        self._failure: Optional[str] = None
        self._closing = threading.Event()
        self._stopping = threading.Lock()
        self.context = _SourceContext(self, metrics)
        self._thread = threading.Thread(
            target=self._run, name=f"flink-plugins-{name}-{instance}", daemon=True
        )

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The state as of the records that were drained."""
        return self._committed

    @property
    def waiting(self) -> int:
        """How many records wait to be drained."""
        return len(self._buffer)

    def start(self) -> None:
        """Start the thread that opens the plugin."""
        self._thread.start()

    def emit(self, message: Dict[str, Any], meta: Optional[Dict[str, Any]] = None) -> None:
        """Encode a message and put it in the buffer; see `flink_plugins.api.Context.emit`."""
        try:
            record = self._encode(message, meta)
        except Exception as error:
            if not isinstance(message, dict):
                raise TypeError(
                    f"emit() takes a dict of column names to values, not {type(message).__name__}"
                ) from error
            if self._closing.is_set():
                raise SourceClosed("the source was closed: return from open()") from error
            self.report(f"a message does not fit the columns: {error}", error)
            return
        self._put(record, weigh(record))

    def write_state(self, change: Dict[str, Any]) -> None:
        """Put a write to the state in line behind the records emitted so far."""
        self._put(_StateChange(change), _STATE_WEIGHT)

    def report(self, text: str, error: Optional[BaseException]) -> None:
        """Handle an error by the policy: keep it for `drain` to raise, or log and count it."""
        if self._options.on_error == LOG:
            self.context.metrics.count("errors")
            self.context.logger.error("source %s: %s", self.name, text, exc_info=error)
        elif self._failure is None:
            self._failure = text
            # Nothing may follow, or a checkpoint could leave behind what failed.
            self._buffer.close()

    def drain(self, limit: int, size: int = 4 << 20) -> Tuple[List[Any], bool]:
        """Up to ``limit`` records of about ``size`` bytes, oldest first; whether `state` changed.

        Raises PluginFailure when the plugin failed, after all it emitted before was drained.
        """
        items = self._buffer.take(limit, size)
        if not items:
            if self._failure is not None:
                raise PluginFailure(f"source {self.name}: {self._failure}")
            return items, False
        changed = False
        if _StateChange in map(type, items):
            records = []
            for item in items:
                if type(item) is _StateChange:
                    self._apply(item)
                    changed = True
                else:
                    records.append(item)
            items = records
        return items, changed

    def drain_state(self) -> None:
        """Apply the writes to the state before the next record."""
        for change in self._buffer.take_while(lambda item: type(item) is _StateChange):
            self._apply(change)

    def _apply(self, change: Dict[str, Any]) -> None:
        for key, value in change.items():
            if value is SourceState.REMOVED:
                self._committed.pop(key, None)
            else:
                self._committed[key] = value

    def _run(self) -> None:
        pause = self._options.pause
        while not self._closing.is_set():
            started = time.monotonic()
            try:
                self._source.open(self.context)
            except SourceClosed:
                return
            except BaseException as error:
                if self._closing.is_set():
                    return
                self.report("open() raised\n" + traceback.format_exc(), error)
                if self._options.on_error != LOG:
                    return
            else:
                if not self._closing.is_set():
                    self.context.logger.info("source %s: open() returned, it is done", self.name)
                return
            if time.monotonic() - started > _LONGEST_PAUSE:
                pause = self._options.pause
            self._closing.wait(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def stop(self) -> bool:
        """Close the plugin within the time limit; whether its threads ended.

        ``emit`` raises SourceClosed from here on. An exception of ``close`` is logged: the job has
        ended or failed already, and nothing is lost by it. A plugin that ignores ``close`` is left
        behind in its daemon thread, which ends with the worker.
        """
        with self._stopping:
            return self._stop()

    def _stop(self) -> bool:
        if self._closing.is_set():
            return not self._thread.is_alive()
        self._closing.set()
        self._buffer.close()
        closer = threading.Thread(target=self._close_plugin, daemon=True)
        deadline = time.monotonic() + self._options.close_timeout
        closer.start()
        closer.join(self._options.close_timeout)
        if self._thread.ident is not None:
            self._thread.join(max(0.0, deadline - time.monotonic()))
        if closer.is_alive() or self._thread.is_alive():
            self.context.logger.warning(
                "source %s: still running %.0f s after close(); it is left behind and ends with "
                "the worker",
                self.name,
                self._options.close_timeout,
            )
            return False
        return True

    def _close_plugin(self) -> None:
        try:
            self._source.close(self.context)
        except SourceClosed:
            pass
        except BaseException:
            self.context.logger.exception("source %s: close() raised", self.name)
