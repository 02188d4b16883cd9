"""The contract between a plugin and the job that runs it.

The shape is that of eKuiper's portable plugins, so that a class written for them fits without a
change; what is new here is `Context.state` and `Context.metrics`.

A plugin is made and configured on the worker that runs it, once per parallel instance. Nothing of
it is pickled, so it may hold connections and threads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Dict, List, MutableMapping, Optional


class Metrics(ABC):
    """Counters and gauges of the operator, shown by Flink under the plugin's name."""

    @abstractmethod
    def count(self, name: str, amount: int = 1) -> None:
        """Add ``amount`` to the counter ``name``; it is made when first used."""

    @abstractmethod
    def gauge(self, name: str, value: int) -> None:
        """Set the gauge ``name``, a whole number."""


class Context(ABC):
    """What a plugin knows of the job, and how it speaks to it."""

    @abstractmethod
    def get_rule_id(self) -> str:
        """The name of the job."""

    @abstractmethod
    def get_op_id(self) -> str:
        """The name of the operator in the pipeline."""

    @abstractmethod
    def get_instance_id(self) -> int:
        """Which parallel instance this is, from 0."""

    @abstractmethod
    def get_parallelism(self) -> int:
        """How many parallel instances there are."""

    @abstractmethod
    def get_logger(self) -> Any:
        """A text stream whose lines go to the worker's log; also has a logger's methods."""

    @abstractmethod
    def emit(self, message: Dict[str, Any], meta: Dict[str, Any]) -> None:
        """Send one record into the job; for sources only.

        ``message`` maps column names to JSON values; columns that the pipeline does not declare are
        left out, declared ones that are missing become NULL. ``meta`` is kept if the pipeline asks
        for it. Blocks while the job is slower than the source; may be called from any thread.

        Raises SourceClosed once the source is told to close, and TypeError for a message that is
        not a mapping.
        """

    @abstractmethod
    def emit_error(self, error: str) -> None:
        """Report an error of the source; the policy of the operator decides what follows."""

    @abstractmethod
    def ack_ok(self) -> None:
        """Acknowledge the oldest record that ``collect`` was given and that is not yet answered."""

    @abstractmethod
    def ack_error(self, error: str) -> None:
        """Refuse that record; the policy of the operator decides what follows."""

    @property
    @abstractmethod
    def state(self) -> MutableMapping[str, Any]:
        """Values that survive a restart, such as offsets: strings to JSON values.

        For sources. What is written here is checkpointed together with the records emitted
        *before* the write, never earlier: emit a record, then write the offset that follows it.
        After a restart the mapping holds what the last completed checkpoint had.
        """

    @property
    @abstractmethod
    def metrics(self) -> Metrics:
        """Flink's metrics of this operator."""


class Source(ABC):
    """Brings records into a job by pushing them."""

    @abstractmethod
    def configure(self, datasource: str, conf: Dict[str, Any]) -> None:
        """Take the settings of the pipeline; raise whatever says best what is wrong with them."""

    @abstractmethod
    def open(self, ctx: Context) -> None:
        """Emit until closed; runs in a thread of its own, once.

        Returning ends the source but not the job. An exception is handled by the policy of the
        operator: ``fail`` fails the job, ``log`` opens the source again after a pause.
        """

    @abstractmethod
    def close(self, ctx: Context) -> None:
        """Make ``open`` return and clean up; called from another thread, within a time limit."""


class Sink(ABC):
    """Takes records out of a job.

    A sink whose ``collect`` returns before the record is safe sets ``acknowledges = True`` and
    answers every record, in order, with ``ctx.ack_ok`` or ``ctx.ack_error``, from any thread. For
    all others, returning from ``collect`` acknowledges the record.
    """

    acknowledges = False

    @abstractmethod
    def configure(self, conf: Dict[str, Any]) -> None:
        """Take the settings of the pipeline; raise whatever says best what is wrong with them."""

    @abstractmethod
    def open(self, ctx: Context) -> None:
        """Connect; return when records can be taken."""

    @abstractmethod
    def collect(self, ctx: Context, data: Any) -> None:
        """Take one record, a dict of column names to the values PyFlink has for them."""

    @abstractmethod
    def close(self, ctx: Context) -> None:
        """Finish what is in flight and clean up."""


class Function(ABC):
    """Computes one value from the arguments of one row, or of all rows of a group.

    ``result_type`` may name the SQL type of the result, such as ``"STRING"`` or ``"ARRAY<INT>"``;
    a pipeline may declare another.
    """

    result_type: Optional[str] = None

    @abstractmethod
    def validate(self, args: List[Any]) -> str:
        """Check a call before the job starts; ``args`` are its arguments as SQL text.

        Returns "" if the call is right, else what is wrong, for the job's author.
        """

    @abstractmethod
    def exec(self, args: List[Any], ctx: Context) -> Any:
        """Compute the result.

        ``args`` holds one value per argument, or, for an aggregate, one list per argument with the
        values of all rows of the group.
        """

    @abstractmethod
    def is_aggregate(self) -> bool:
        """Whether ``exec`` takes the values of all rows of a group at once."""
