"""The bounded queue between a plugin that pushes and an operator that is asked for records."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any, Callable, List

from flink_plugins.errors import SourceClosed


def weigh(value: Any) -> int:
    """About how many bytes ``value`` keeps in memory; exact for the payload of strings."""
    if type(value) is list:  # a record, once for each: no calls for its plain values
        total = 56
        for item in value:
            kind = type(item)
            if kind is str:
                total += 48 + len(item)
            elif kind is int or kind is float:
                total += 16
            else:
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
        self._items = deque()  # type: Deque[Tuple[Any, int]]
        self._held = 0
        self._room = threading.Condition(threading.Lock())
        self._closed = False

    def put(self, item: Any, weight: int) -> None:
        """Append ``item``; blocks while the buffer is full. Raises SourceClosed once closed."""
        with self._room:
            while not self._closed and (
                len(self._items) >= self._records
                or (self._items and self._held + weight > self._size)
            ):
                self._room.wait()
            if self._closed:
                raise SourceClosed("the source was closed: return from open()")
            self._items.append((item, weight))
            self._held += weight

    def take(self, limit: int, size: int) -> List[Any]:
        """Remove and return items, oldest first, without waiting for any.

        At most ``limit`` items of together about ``size`` bytes, but at least one if there is one.
        """
        with self._room:
            items = self._items
            if not items:
                return []
            if len(items) <= limit and self._held <= size:
                taken = [item for item, _ in items]
                items.clear()
                self._held = 0
            else:
                taken = []
                room = size
                while items and len(taken) < limit and (room >= items[0][1] or not taken):
                    item, weight = items.popleft()
                    taken.append(item)
                    room -= weight
                self._held -= size - room
            self._room.notify_all()
            return taken

    def take_while(self, wanted: Callable[[Any], bool]) -> List[Any]:
        """Remove and return the oldest items up to the first that is not ``wanted``."""
        taken = []
        with self._room:
            while self._items and wanted(self._items[0][0]):
                item, weight = self._items.popleft()
                taken.append(item)
                self._held -= weight
            self._room.notify_all()
        return taken

    def close(self) -> None:
        """Wake all that wait in ``put``; they and all that follow get SourceClosed."""
        with self._room:
            self._closed = True
            self._room.notify_all()

    def __len__(self) -> int:
        return len(self._items)
