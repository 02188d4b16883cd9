"""How many records to hand over at a time."""

from __future__ import annotations

SECONDS = 0.02
SMALLEST, FIRST, LARGEST = 16, 1024, 8192


class BatchSize:
    """Sizes batches so that each passes in about `SECONDS`, whatever follows the source.

    A checkpoint waits for the batch in progress, and so do records that come after it.
    """

    def __init__(self) -> None:
        self.limit = FIRST
        self._full_since = 0.0

    def took(self, count: int, now: float) -> None:
        """A batch of ``count`` records is about to be handed over at ``now``, in seconds.

        The time from one full batch to the next is what it takes to encode the first, to send it,
        and to do all that the job does with it in the same task.
        """
        full = count >= self.limit
        if self._full_since:
            factor = SECONDS / max(now - self._full_since, 0.001)
            limit = int(self.limit * min(max(factor, 0.5), 1.25))
            self.limit = min(max(limit, SMALLEST), LARGEST)
        self._full_since = now if full else 0.0
