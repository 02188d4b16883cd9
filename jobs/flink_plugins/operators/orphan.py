"""Noticing that Flink has ended this worker.

When a job is cancelled in the middle of a bundle, Beam's worker does not get as far as closing the
functions in it. What ends is the shell that started the worker, or the worker's main thread. So a
thread that the interpreter waits for closes the plugins when either has happened. In thread mode
the process is Flink's own, and Flink closes the functions.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Callable, List  # noqa: F401  # in type comments

_INTERVAL = 0.05

_lock = threading.Lock()
_callbacks = []  # type: List[Callable[[], None]]
_watching = False


def when_orphaned(callback: Callable[[], None]) -> None:
    """Call ``callback``, once and from another thread, when this worker is being ended."""
    global _watching
    with _lock:
        _callbacks.append(callback)
        if not _watching:
            _watching = True
            threading.Thread(target=_watch, args=(os.getppid(),), daemon=False).start()


def forget(callback: Callable[[], None]) -> None:
    """Do not call ``callback`` any more."""
    with _lock:
        if callback in _callbacks:
            _callbacks.remove(callback)


def _watch(parent: int) -> None:
    global _watching
    main = threading.main_thread()
    while _callbacks and os.getppid() == parent and main.is_alive():
        time.sleep(_INTERVAL)
    with _lock:
        callbacks = list(_callbacks)
        _callbacks.clear()
        _watching = False
    for callback in callbacks:
        callback()
