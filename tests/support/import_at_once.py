"""First imports of the split example in a free-threaded Python: what test_docker_wheel.py runs.

The argument says who imports at once: "processes", "threads", or "crash" for threads that wait for
a process which is killed while it puts the library together.
"""

import importlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

SIZE = 6 << 20
KILLED = """
import os, time
def slow(descriptor):
    print("half", flush=True)
    time.sleep(300)
os.fsync = slow
import terrain
"""


def start(code):
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)


def processes(number):
    started = [start("import terrain; print(terrain.size())") for _ in range(number)]
    for process in started:
        assert process.communicate(timeout=120)[0] == f"{SIZE}\n"
        assert process.returncode == 0


def threads(number):
    import _terrain_joiner as joiner

    written, found, really = [], [], joiner._write
    together = threading.Barrier(number)

    def write(path, *rest):
        written.append(path)
        really(path, *rest)

    def run():
        together.wait(60)
        folder = joiner.folder("terrain")
        import terrain

        assert terrain.size() == SIZE
        assert terrain.smoothed(3, 100, 1000) > 0
        found.append(folder)

    joiner._write = write
    started = [threading.Thread(target=run) for _ in range(number)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert len(found) == number
    assert len(set(found)) == 1, found
    # Put together by one of them: the library and the extension, once each.
    assert len(written) == 2, written


def crash():
    process = start(KILLED)
    assert process.stdout.readline() == "half\n"
    threading.Timer(0.5, process.send_signal, [signal.SIGKILL]).start()
    threads(8)
    assert process.wait(60) == -signal.SIGKILL


assert not sys._is_gil_enabled()
mode = sys.argv[1]
cache = Path("/joined", mode)
os.environ["TERRAIN_CACHE"] = str(cache)
{"processes": lambda: processes(12), "threads": lambda: threads(24), "crash": crash}[mode]()

importlib.import_module("terrain")
assert not sys._is_gil_enabled(), "the extension must not bring the GIL back"
names = sorted(path.name for path in cache.iterdir())
assert names == [names[0], f"{names[0]}.lock"], names
print("passed")
