"""Noticing that Flink has ended this worker.

When a job is cancelled in the middle of a bundle, Beam's worker waits for the bundle and does not
get as far as closing the functions in it; Flink meanwhile ends the shell that started the worker.
So a worker whose parent is gone closes its plugins itself. In thread mode the process is Flink's
own, its parent stays, and Flink closes the functions.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Callable, List  # noqa: F401  # in type comments

_INTERVAL = 0.1

_lock = threading.Lock()
_callbacks = []  # type: List[Callable[[], None]]
_watching = False


def when_orphaned(callback: Callable[[], None]) -> None:
    """Call ``callback``, once and from its own thread, when this process has lost its parent."""
    global _watching
    with _lock:
        _callbacks.append(callback)
        if not _watching:
            _watching = True
            threading.Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def forget(callback: Callable[[], None]) -> None:
    """Do not call ``callback`` any more."""
    with _lock:
        if callback in _callbacks:
            _callbacks.remove(callback)


def _watch(parent: int) -> None:
    global _watching
    while os.getppid() == parent:
        time.sleep(_INTERVAL)
    with _lock:
        callbacks = list(_callbacks)
        _callbacks.clear()
        _watching = False
    for callback in callbacks:
        threading.Thread(target=callback, daemon=True).start()
