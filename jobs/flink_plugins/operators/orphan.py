"""Noticing that Flink has ended what a plugin runs in.

When a job is cancelled in the middle of a bundle, Beam's worker does not get as far as closing the
functions in it. What ends is the shell that started the worker, or the worker's main thread. In
thread mode the process is Flink's own, and Flink closes functions only at the end of their input:
what ends is the task's thread. So a thread that the interpreter waits for closes the plugins when
one of these has happened.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Callable, List, Tuple

_INTERVAL = 0.05

_lock = threading.Lock()
_callbacks: List[Tuple[Callable[[], object], Callable[[], bool]]] = []
_watching = False


def when_orphaned(callback: Callable[[], object], in_process: bool) -> None:
    """Call ``callback``, once and from another thread, when this worker is being ended.

    In thread mode (not ``in_process``): when the task is, whose thread must be the caller. That
    needs Python 3.8 and Linux.
    """
    global _watching
    ended = _worker_ends(os.getppid()) if in_process else _thread_ends()
    with _lock:
        _callbacks.append((callback, ended))
        if not _watching:
            _watching = True
            threading.Thread(target=_watch, daemon=False).start()


def forget(callback: Callable[[], object]) -> None:
    """Do not call ``callback`` any more."""
    with _lock:
        _callbacks[:] = [entry for entry in _callbacks if entry[0] != callback]


def _worker_ends(parent: int) -> Callable[[], bool]:
    main = threading.main_thread()
    return lambda: os.getppid() != parent or not main.is_alive()


def _thread_ends() -> Callable[[], bool]:
    identify = getattr(threading, "get_native_id", None)  # since Python 3.8
    if identify is None or not os.path.isdir("/proc/self/task"):
        return lambda: False
    task = f"/proc/self/task/{identify()}"
    return lambda: not os.path.exists(task)


def _watch() -> None:
    global _watching
    while True:
        with _lock:
            due = [callback for callback, ended in _callbacks if ended()]
            _callbacks[:] = [entry for entry in _callbacks if entry[0] not in due]
        for callback in due:
            callback()
        with _lock:
            if not _callbacks:
                _watching = False
                return
        time.sleep(_INTERVAL)
