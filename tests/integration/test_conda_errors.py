"""What goes wrong in conda's solver is an error of this program each time, never its crash."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="the conda extra is not installed")

from bundler.base import solver
from bundler.base.solver import CondaProblem, read_lock, solve
from bundler.errors import BuildError, BundlerError, FetchError, ResolutionError, UsageError
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.target import Target
from tests.support.flink_support import BundleCommand

TARGET = Target.parse(flink="2.2.1", python="3.11", platform="manylinux_2_28_x86_64")
TIMES = 20


class _Garbage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        body = b"garbage" if kind == "garbage" else b'{"packages": {}, "packages.conda": {}}'
        gone = kind == "gone" or not self.path.endswith("repodata.json")
        self.send_response(404 if gone and kind != "garbage" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Garbage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


CASES: list[tuple[str, str, type[BundlerError]]] = [
    ("file:///nowhere/no-channel", "python", FetchError),
    ("http://127.0.0.1:9/refused", "python", FetchError),
    ("HOST/garbage", "python", FetchError),
    ("HOST/gone", "python", FetchError),
    ("HOST/empty", "python", ResolutionError),
    ("HOST/empty", "python==", UsageError),
    ("http://[", "python", UsageError),
]


@pytest.mark.parametrize(("channel", "spec", "kind"), CASES)
def test_an_error_is_of_the_same_kind_every_time(
    tmp_path: Path, host: str, channel: str, spec: str, kind: type[BundlerError]
) -> None:
    problem = CondaProblem((channel.replace("HOST", host),), (spec,), TARGET)

    def error(number: int) -> BundlerError:
        with pytest.raises(BundlerError) as caught:
            solve(problem, tmp_path / str(number), Session(Cache(tmp_path)))
        return caught.value

    with ThreadPoolExecutor(4) as pool:
        errors = list(pool.map(error, range(TIMES)))
    assert {type(error) for error in errors} == {kind}


@pytest.mark.parametrize(
    ("channel", "status"),
    [("file:///nowhere/no-channel", 7), ("HOST/garbage", 7), ("HOST/empty", 3), ("http://[", 2)],
)
def test_the_command_ends_with_the_exit_code_of_the_error(
    bundle_command: BundleCommand, tmp_path: Path, host: str, channel: str, status: int
) -> None:
    environment = tmp_path / "environment.yml"
    environment.write_text(
        f"channels: ['{channel.replace('HOST', host)}']\ndependencies: [python=3.11, numpy]\n"
    )
    finished = bundle_command(
        "venv", "--base", "conda", "--environment", environment, "--python", "3.11",
        "-o", tmp_path / "venv.zip", check=False,
    )  # fmt: skip
    assert finished.returncode == status, finished.stderr
    assert "Traceback" not in finished.stderr


def test_a_lock_that_is_none_is_an_error_every_time(tmp_path: Path) -> None:
    problem = CondaProblem(("conda-forge",), ("python",), TARGET)
    for number, text in enumerate(("", "garbage", "version: 6\n", "[" * 100_000, "\0")):
        lock = tmp_path / f"{number}.lock"
        lock.write_text(text)
        with pytest.raises((UsageError, ResolutionError, BuildError), match=lock.name):
            read_lock(lock, problem)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UsageError, match="is not a lock"):
        read_lock(tmp_path / "fifo", problem)


def test_a_solver_that_takes_too_long_is_ended(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(solver.SECONDS_VARIABLE, "0.01")
    problem = CondaProblem((f"{host}/empty",), ("python",), TARGET)
    with pytest.raises(BuildError, match="conda's solver gave no answer: it was killed"):
        solve(problem, tmp_path, Session(Cache(tmp_path)))


@pytest.mark.parametrize("given", ["x", "0", "-1", "nan", "inf", "1e99"])
def test_the_time_allowed_is_a_number(
    tmp_path: Path, given: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(solver.SECONDS_VARIABLE, given)
    with pytest.raises(UsageError, match=f"BUNDLE_CONDA_TIMEOUT is '{given}'"):
        solve(CondaProblem(("x",), ("python",), TARGET), tmp_path, Session(Cache(tmp_path)))


def test_a_solver_that_takes_too_much_memory_is_ended(
    tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solver, "_MEMORY", 16 << 20)
    # Some threads of it that cannot be started leave the others waiting.
    monkeypatch.setattr(solver, "_SOLVE_SECONDS", 60.0)
    problem = CondaProblem((f"{host}/empty",), ("python",), TARGET)
    with pytest.raises(BuildError, match="conda's solver gave no answer"):
        solve(problem, tmp_path, Session(Cache(tmp_path)))


def test_no_solver_outlives_the_command(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from bundler.base.solver import _worker\n"
        "with _worker(600) as (process, errors):\n"
        "    print(process.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    worker = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    for _ in range(600):
        try:
            os.kill(worker, 0)
            state = Path(f"/proc/{worker}/stat").read_text().split()[2]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.1)
    pytest.fail("the solver still runs")
