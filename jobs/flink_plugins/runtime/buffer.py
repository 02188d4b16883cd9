"""The bounded queue between a plugin that pushes and an operator that is asked for records."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Callable, Deque, List

from flink_plugins.errors import SourceClosed


def weigh(value: Any) -> int:
    """About how many bytes ``value`` keeps in memory; exact for the payload of strings."""
    if type(value) is tuple:  # a record, once for each: no calls for its plain values
        total = 56 + 32 * len(value)
        for item in value:
            kind = type(item)
            if kind is str:
                total += len(item)
            elif kind is not int and kind is not float:
                total += weigh(item)
        return total
    if value is None or isinstance(value, (bool, int, float)):
        return 16
    if isinstance(value, (str, bytes, bytearray)):
        return 48 + len(value)
    if isinstance(value, dict):
        return 64 + sum(weigh(k) + weigh(v) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return 56 + sum(map(weigh, value))
    return 64 + len(str(value))


class Buffer:
    """Holds at most ``records`` items and about ``size`` bytes; one item may always enter.

    ``put`` is called by any thread of a plugin, ``take`` by the one thread of the operator.
    """

    def __init__(self, records: int, size: int) -> None:
        self._records = records
        self._size = size
        # Side by side, since a pair for each item would be one more object for Python's collector.
        self._items: Deque[Any] = deque()
        self._weights: Deque[int] = deque()
        self._held = 0
        self._lock = threading.Lock()
        self._room = threading.Condition(self._lock)
        self._closed = False

    def put(self, item: Any, weight: int) -> None:
        """Append ``item``; blocks while the buffer is full. Raises SourceClosed once closed."""
        with self._lock:
            items = self._items
            while (
                self._closed
                or len(items) >= self._records
                or (self._held + weight > self._size and items)
            ):
                if self._closed:
                    raise SourceClosed("the source was closed: return from open()")
                self._room.wait()
            items.append(item)
            self._weights.append(weight)
            self._held += weight

    def take(self, limit: int, size: int) -> List[Any]:
        """Remove and return items, oldest first, without waiting for any.

        At most ``limit`` items of together about ``size`` bytes, but at least one if there is one.
        """
        with self._lock:
            items, weights = self._items, self._weights
            if not items:
                return []
            if len(items) <= limit and self._held <= size:
                taken = list(items)
                items.clear()
                weights.clear()
                self._held = 0
            else:
                taken = []
                room = size
                while items and len(taken) < limit and (room >= weights[0] or not taken):
                    taken.append(items.popleft())
                    room -= weights.popleft()
                self._held -= size - room
            self._room.notify_all()
            return taken

    def take_while(self, wanted: Callable[[Any], bool]) -> List[Any]:
        """Remove and return the oldest items up to the first that is not ``wanted``."""
        taken = []
        with self._lock:
            while self._items and wanted(self._items[0]):
                taken.append(self._items.popleft())
                self._held -= self._weights.popleft()
            self._room.notify_all()
        return taken

    def close(self) -> None:
        """Wake all that wait in ``put``; they and all that follow get SourceClosed."""
        with self._lock:
            self._closed = True
            self._room.notify_all()

    def __len__(self) -> int:
        return len(self._items)
