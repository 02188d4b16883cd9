"""Every command of README and getting-started works, in the order in which it is read.

They run in a copy of this checkout, with a real index and a real Flink. `git clone` is that copy;
`make demo` is what test_flink_demo.py does.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bundler.flink.local.cluster import LocalCluster
from tests.support.pages import ROOT, commands_of, copy_checkout

# It only keeps from hanging: three jobs on two busy cores take a while.
HANGS = 1700
pytestmark = [pytest.mark.flink, pytest.mark.network, pytest.mark.timeout(HANGS + 100)]

ELSEWHERE = ("git clone ", "make demo")
MASTERS = ("http://localhost:8081", "http://jobmanager:8081")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout without a .venv; the first page that says `make install` makes it."""
    return copy_checkout(tmp_path_factory.mktemp("pages") / "flink-bundler")


def follow_page(page: str, folder: Path, master: str) -> str:
    """Run the commands of ``page`` in one shell that starts in ``folder``; what they print."""
    commands = [line for line in commands_of(ROOT / page) if not line.startswith(ELSEWHERE)]
    assert any("bundle submit" in line for line in commands)
    script = "\n".join(["set -euo pipefail", *map(_traced, commands)])
    for named in MASTERS:
        script = script.replace(named, master)
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    log = folder / "said.log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env={**environment, "PYTHON": sys.executable},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as shell,
    ):
        try:
            status = shell.wait(HANGS)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGTERM)
            pytest.fail(f"{page} takes more than {HANGS} s:\n{log.read_text()}")
    assert status == 0, log.read_text()
    return log.read_text()


def _traced(command: str) -> str:
    return f"echo {shlex.quote(f'$ {command}')}\n{command}"


def test_the_readme(clone: Path, flink_cluster: LocalCluster) -> None:
    said = follow_page("README.md", clone.parent, flink_cluster.rest_url)

    assert "python.executable" in said
    assert said.rstrip().endswith("FINISHED")
    assert (clone / "examples/opencv/models.zip").exists()


def test_getting_started(clone: Path, flink_cluster: LocalCluster) -> None:
    said = follow_page("docs/getting-started.md", clone, flink_cluster.rest_url)

    assert said.count("FINISHED") == 2, "once here, once there"
    assert "2500000 bytes are 2.5 MB" in said
    assert "flink run" in said
    assert (clone / "myjob/dist/bundle.lock.json").exists()
