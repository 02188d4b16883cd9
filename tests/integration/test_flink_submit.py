"""Submitting to a Flink that runs: what goes wrong says so, and nothing is left behind."""

from __future__ import annotations

import http.server
import re
import signal
import socket
import sys
import textwrap
import threading
import time

import httpx
import pytest

from bundler.errors import JobError, UsageError
from bundler.flink.follow import follow_job
from bundler.flink.rest import FlinkApi
from bundler.flink.submit import submit
from bundler.session import Session
from tests.support.flink_support import (
    BUNDLE,
    JOBS,
    await_that,
    commands_naming,
    processes_within,
    running,
)

pytestmark = [pytest.mark.flink, pytest.mark.network]


def uploads(cluster):
    return httpx.get(f"{cluster.rest_url}/jars").json()["files"]


def test_a_failing_udf_shows_its_python_traceback_first(example, flink_cluster, cache):
    bundle = example.bundle(JOBS / "udf_fails.py")

    with pytest.raises(JobError) as raised:
        submit(flink_cluster.rest_url, bundle, Session(cache), timeout=240)

    lines = str(raised.value).splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert 'udf_fails.py", line 9, in divide' in str(raised.value)
    assert "ZeroDivisionError: integer division or modulo by zero" in lines
    assert "In Java: " in lines[-1]
    assert raised.value.exit_code == 5
    assert uploads(flink_cluster) == []


def test_a_failing_main_shows_its_python_traceback_first(example, flink_cluster, cache):
    bundle = example.bundle(JOBS / "main_fails.py")

    with pytest.raises(JobError) as raised:
        submit(flink_cluster.rest_url, bundle, Session(cache))

    assert raised.value.found.startswith("Traceback (most recent call last):")
    assert raised.value.found.endswith("KeyError: 'topic'")
    assert uploads(flink_cluster) == []


def test_a_streaming_job_is_followed_until_it_runs_and_can_be_cancelled(
    example, flink_cluster, cache
):
    output = flink_cluster.taskmanager_output()
    output.lines()
    bundle = example.bundle(JOBS / "endless.py")

    result = submit(flink_cluster.rest_url, bundle, Session(cache), follow=False, timeout=240)

    assert result.state == "RUNNING"
    try:
        deadline = time.monotonic() + 30
        said: list[str] = []
        while not said and time.monotonic() < deadline:
            said = output.lines()
            time.sleep(0.2)
        # Upper case by the function in the JAR, on a word from the Python worker.
        assert said[0] == "+I[HELLO!]"
    finally:
        httpx.patch(f"{flink_cluster.rest_url}/jobs/{result.job_id}?mode=cancel")
    with FlinkApi(flink_cluster.rest_url) as api, pytest.raises(JobError, match="CANCELED"):
        follow_job(api, result.job_id, timeout=60)


def test_configuration_arrives_as_it_was_meant(start_cluster):
    meant = {
        "pipeline.name": 'it\'s "a" # name: really',
        "python.archives": "/a b/venv.zip,/é/models.zip",
        "pipeline.classpaths": ["file:///a.jar", "file:///b%20c.jar"],
        "python.fn-execution.bundle.size": 7,
    }
    for flink in ("2.2.1", "1.20.5"):
        values = meant if flink == "2.2.1" else meant | {"pipeline.name": 'it\'s a "name": x'}
        with start_cluster(flink, configuration=values) as cluster:
            answer = httpx.get(f"{cluster.rest_url}/jobmanager/config").json()
            seen = {item["key"]: item["value"] for item in answer}
        assert seen["pipeline.name"] == values["pipeline.name"]
        assert seen["python.archives"] == values["python.archives"]
        assert seen["python.fn-execution.bundle.size"] == "7"
        listed = re.findall(r"file:[^;,'\]]+", seen["pipeline.classpaths"])
        assert listed == values["pipeline.classpaths"]


def test_another_line_of_flink_is_refused(example, flink_cluster, cache):
    other = example.bundle()
    other = type(other)(**{**vars(other), "target": type(other.target)("1.20.5", "3.11")})

    with pytest.raises(JobError, match=r"is Flink 2\.2\.1"):
        submit(flink_cluster.rest_url, other, Session(cache))


def test_a_cluster_that_takes_no_uploads_says_so(example, start_cluster, cache):
    with (
        start_cluster("2.2.1", configuration={"web.submit.enable": False}) as cluster,
        pytest.raises(JobError, match=r"web\.submit\.enable is false"),
    ):
        submit(cluster.rest_url, example.bundle(), Session(cache))


def test_an_unreachable_master(example, cache):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        master = f"http://127.0.0.1:{unused.getsockname()[1]}"

    with pytest.raises(JobError, match="cannot be reached") as raised:
        submit(master, example.bundle(), Session(cache))

    assert master in raised.value.found


def test_a_server_that_is_no_flink(example, cache, tmp_path):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(JobError, match="is not a Flink master"):
            submit(f"127.0.0.1:{server.server_port}", example.bundle(), Session(cache))
    finally:
        server.shutdown()
        server.server_close()


def test_a_taken_port(start_cluster):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        with (
            pytest.raises(UsageError, match=f"Port {port} is taken") as raised,
            start_cluster("2.2.1", port=port),
        ):
            pass

    assert "--port" in raised.value.remedy


RUNS_A_CLUSTER = textwrap.dedent(
    """
    import sys, time
    from bundler.support.cache import Cache
    from bundler.flink.local.cluster import LocalCluster
    from bundler.flink.distribution import flink_distribution
    from bundler.flink.local.java import find_java
    from bundler.session import Session
    from bundler.target import Target

    target, session = Target.parse(flink="2.2.1"), Session(Cache.default())
    with LocalCluster(flink_distribution(target, session), find_java(target, session)):
        print("up", flush=True)
        time.sleep(120)
    """
)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_ends_no_java_is_left(sign, nothing_left, tmp_path):
    with running(sys.executable, "-c", RUNS_A_CLUSTER, cwd=tmp_path, env=nothing_left) as process:
        assert process.stdout.readline() == "up\n"
        assert len(commands_naming(nothing_left["TMPDIR"])) == 2

        process.send_signal(sign)
        process.wait(30)

        deadline = time.monotonic() + 15
        while commands_naming(nothing_left["TMPDIR"]) and time.monotonic() < deadline:
            time.sleep(0.2)
    assert commands_naming(nothing_left["TMPDIR"]) == []


@pytest.mark.parametrize("moment", ["one process", "two processes", "the job prints"])
def test_a_run_that_is_killed_leaves_neither_java_nor_python(
    moment, example, nothing_left, tmp_path
):
    command = (BUNDLE, "run", "--script", JOBS / "endless.py")
    with running(*command, cwd=example.folder, env=nothing_left) as process:
        if moment == "the job prints":
            assert any("HELLO!" in line for line in process.stdout)
            assert any("fn_execution" in line for line in processes_within(tmp_path / "tmp"))
        else:
            count = 1 if moment == "one process" else 2
            await_that(lambda: len(commands_naming(nothing_left["TMPDIR"])) >= count, 60)

        process.kill()
        process.wait(30)

        await_that(lambda: not processes_within(tmp_path / "tmp"), 60)


def test_ctrl_c_in_the_middle_of_a_run_leaves_no_java(example, nothing_left, tmp_path):
    with running(BUNDLE, "run", cwd=example.folder, env=nothing_left) as process:
        deadline = time.monotonic() + 60
        while len(commands_naming(nothing_left["TMPDIR"])) < 2 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert len(commands_naming(nothing_left["TMPDIR"])) >= 2

        process.send_signal(signal.SIGINT)

        assert process.wait(30) == 130
    assert list((tmp_path / "tmp").glob("bundle-flink-*")) == []
