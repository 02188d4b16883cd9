"""Plugins whose task or worker has ended without closing them are closed all the same."""

import importlib.util
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
MODULE = ROOT / "jobs" / "flink_plugins" / "operators" / "orphan.py"


def orphan():
    """The module by itself: its package needs PyFlink."""
    spec = importlib.util.spec_from_file_location("orphan", MODULE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.version_info < (3, 8), reason="needs threading.get_native_id")
def test_in_thread_mode_the_end_of_the_tasks_thread_closes():
    module, closed, ends = orphan(), threading.Event(), threading.Event()

    def task():
        module.when_orphaned(closed.set, in_process=False)
        ends.wait(10)

    thread = threading.Thread(target=task)
    thread.start()
    assert not closed.wait(0.3)
    ends.set()
    assert closed.wait(5)


def test_what_was_closed_is_not_closed_again():
    module, closed = orphan(), threading.Event()

    def task():
        module.when_orphaned(closed.set, in_process=False)
        module.forget(closed.set)

    thread = threading.Thread(target=task)
    thread.start()
    thread.join()
    assert not closed.wait(0.3)


def test_a_worker_whose_main_thread_ends_closes_before_it_exits():
    code = (
        "import importlib.util\n"
        f"spec = importlib.util.spec_from_file_location('orphan', {str(MODULE)!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "module.when_orphaned(lambda: print('closed'), in_process=True)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert finished.stdout == "closed\n"
