"""A Flink process without Flink: what it is started with, and that it ends with who started it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from bundler.flink.distribution import Distribution
from bundler.flink.local.cluster_options import ClusterOptions, cluster_configuration
from bundler.flink.local.jvm import FlinkJvm

# Starts a "Java" that sleeps, says its process id, and waits to be killed.
STARTS = textwrap.dedent(
    """
    import subprocess, sys, time
    from pathlib import Path
    from bundler.flink.distribution import Distribution
    from bundler.flink.local.jvm import FlinkJvm

    folder = Path(sys.argv[1])
    jvm = FlinkJvm(Distribution("2.2.1", folder), folder, folder, 64)
    java = subprocess.Popen(jvm.command("x", "Main"), env=jvm.environment, start_new_session=True)
    print(java.pid, flush=True)
    time.sleep(float(sys.argv[2]))
    """
)


@pytest.fixture
def java(tmp_path: Path) -> Path:
    """A home of Java whose ``java`` says that it runs, and sleeps."""
    program = tmp_path / "bin" / "java"
    program.parent.mkdir()
    sleep = shutil.which("sleep")
    program.write_text(f'#!/bin/sh\necho runs > "$0.runs"\nexec {sleep} 600\n')
    program.chmod(0o755)
    return tmp_path


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of a parent's death")
@pytest.mark.parametrize(
    "moment", ["at once", "at once", "at once", "when it runs", "when it runs"]
)
def test_java_ends_with_a_parent_that_is_killed(java, moment):
    with subprocess.Popen(
        [sys.executable, "-c", STARTS, str(java), "600"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as parent:
        try:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            if moment == "when it runs":
                until(lambda: (java / "bin" / "java.runs").exists())
                assert lives(pid)
        finally:
            parent.kill()

    until(lambda: not lives(pid))


def until(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def test_the_folder_has_what_flink_reads(tmp_path):
    jvm = FlinkJvm(Distribution("1.20.5", tmp_path), Path("/java"), tmp_path / "own", 64)

    jvm.prepare("a: 1\n")

    assert (tmp_path / "own" / "conf" / "flink-conf.yaml").read_text() == "a: 1\n"
    assert (tmp_path / "own" / "bin" / "bash").resolve().name == Path("/bin/bash").resolve().name
    assert jvm.environment["PATH"] == f"/java/bin:{tmp_path / 'own' / 'bin'}"
    assert not any("python" in path.name for path in (tmp_path / "own" / "bin").iterdir())


def test_a_cluster_listens_on_the_loopback_alone_and_options_win(tmp_path):
    options = ClusterOptions(slots=3, configuration={"a": 1, "io.tmp.dirs": "/x"})

    found = cluster_configuration(options, tmp_path, rest_port=1, rpc_port=2)

    addresses = [key for key in found if key.endswith(("address", "host"))]
    assert {found[key] for key in addresses} == {"127.0.0.1"}
    assert (found["rest.port"], found["jobmanager.rpc.port"]) == (1, 2)
    assert (found["a"], found["io.tmp.dirs"]) == (1, "/x")
    assert found["taskmanager.numberOfTaskSlots"] == 3
