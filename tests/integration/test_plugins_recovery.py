"""Workers are killed and plugins fail: nothing acknowledged is lost; each end is as stated."""

from __future__ import annotations

import time

import pytest

from tests.support.plugins_support import ENDED, eventually, lines, numbers

pytestmark = [pytest.mark.flink, pytest.mark.network]

COLUMNS = {"instance": "INT", "number": "BIGINT"}
NO_RESTART = {"restart-strategy.type": "none"}


def pipeline(path, source="Numbers", sink="LinesSink", **parts):
    source_parts = parts.get("source_parts", {})
    sink_parts = parts.get("sink_parts", {})
    return {
        "name": "recovery",
        "parallelism": parts.get("parallelism", 1),
        "checkpoint": {"interval": "500 ms"},
        "sources": {
            "s": {
                "plugin": f"plugins_workload:{source}",
                "schema": COLUMNS,
                "conf": {"trace": str(path / "trace"), **parts.get("conf", {})},
                **source_parts,
            }
        },
        "functions": parts.get("functions", {}),
        "steps": parts.get("steps", {}),
        "sinks": {
            "out": {
                "plugin": f"plugins_workload:{sink}",
                "from": parts.get("take", "s"),
                "conf": {"path": str(path / "out"), **parts.get("sink_conf", {})},
                **sink_parts,
            }
        },
    }


def closed(trace):
    return len([line for line in lines(trace) if line.startswith("closed")])


@pytest.mark.parametrize("sink", ["LinesSink", "SlowLinesSink"])
def test_after_kill_9_every_number_arrives_and_counting_goes_on_from_a_checkpoint(
    flink, tmp_path, sink
):
    parallelism = 2 if sink == "LinesSink" else 1
    job = flink.run(
        pipeline(
            tmp_path,
            sink=sink,
            parallelism=parallelism,
            conf={"rate": 300},
            # The records of the first bundle are awaited one by one, and it may be a large one.
            sink_conf={"delay": 0.02},
        )
    )
    out = tmp_path / "out"
    eventually(lambda: len(numbers(out)) > 300, 60, "300 numbers")
    job.await_checkpoint()

    assert job.kill_workers() >= 1
    killed_at = max(numbers(out))
    eventually(lambda: max(numbers(out)) > killed_at + 300, 90, "it goes on after the kill")
    job.cancel()

    for instance in range(parallelism):
        arrived = numbers(out, instance)
        assert set(arrived) == set(range(max(arrived) + 1))
    opened = [line for line in lines(tmp_path / "trace") if line.startswith("opened")]
    assert {line.split()[1] for line in opened} == {
        f"{instance}/{parallelism}" for instance in range(parallelism)
    }
    restarts = [int(line.split()[-1]) for line in opened[parallelism:]]
    assert restarts
    assert min(restarts) > 0
    eventually(lambda: closed(tmp_path / "trace") >= parallelism, 60, "every instance is closed")


def test_a_source_or_sink_that_raises_in_open_fails_the_job_with_its_own_message(flink, tmp_path):
    source, sink = (
        flink.run(described, settings=NO_RESTART, running=False)
        for described in (pipeline(tmp_path, "BrokenSource"), pipeline(tmp_path, sink="BrokenSink"))
    )
    for job in (source, sink):
        eventually(lambda job=job: job.state in ENDED, 60, "the job fails")
        assert job.state == "FAILED"

    assert "source s: open() raised" in source.failures()
    assert "ConnectionError: no broker, attempt 1" in source.failures()
    assert "sink out: open() raised" in sink.failures()
    assert "ConnectionError: no broker for the sink" in sink.failures()


def test_a_source_whose_broker_is_down_is_opened_again_under_log(flink, tmp_path):
    job = flink.run(
        pipeline(tmp_path, "BrokenSource", conf={"failures": 2}, source_parts={"on_error": "log"}),
        settings=NO_RESTART,
    )
    eventually(lambda: len(numbers(tmp_path / "out")) > 50, 60, "it emits in the end")

    job.cancel()  # although close() raises


def test_a_source_and_a_sink_that_ignore_close_do_not_keep_the_job(flink, tmp_path):
    limit = {"close_timeout": "2 s"}
    job = flink.run(
        pipeline(tmp_path, "Deaf", "DeafSink", source_parts=limit, sink_parts=limit),
        settings=NO_RESTART,
    )
    eventually(lambda: numbers(tmp_path / "out"), 60, "a record")

    job.cancel()


POISON = {"conf": {"until": 100}, "sink_conf": {"refuse": 50}}


def test_a_poison_record_fails_the_job_at_the_sink(flink, tmp_path):
    job = flink.run(pipeline(tmp_path, **POISON), settings=NO_RESTART, running=False)
    eventually(lambda: job.state in ENDED, 60, "the job fails")

    assert "ValueError: number 50 is poison" in job.failures()
    assert numbers(tmp_path / "out") == list(range(50))


def test_a_poison_record_is_logged_and_left_out_under_log(flink, tmp_path):
    job = flink.run(
        pipeline(tmp_path, sink_parts={"on_error": "log"}, **POISON), settings=NO_RESTART
    )
    eventually(lambda: 99 in numbers(tmp_path / "out"), 60, "the last number")

    assert job.state == "RUNNING"
    assert numbers(tmp_path / "out") == [n for n in range(100) if n != 50]


def halved(path, **function_parts):
    steps = {"half": {"sql": "SELECT instance, COALESCE(halve(number), -1) AS number FROM s"}}
    functions = {"halve": {"plugin": "plugins_workload:Halve", **function_parts}}
    return pipeline(path, functions=functions, steps=steps, take="half", conf={"until": 10})


def test_a_function_that_raises_fails_the_job(flink, tmp_path):
    job = flink.run(halved(tmp_path), settings=NO_RESTART, running=False)
    eventually(lambda: job.state in ENDED, 60, "the job fails")

    assert "function halve: exec() raised ValueError('1 is odd')" in job.failures()


def test_a_function_that_raises_gives_null_under_log(flink, tmp_path):
    flink.run(halved(tmp_path, on_error="log"), settings=NO_RESTART)
    eventually(lambda: len(numbers(tmp_path / "out")) == 10, 60, "ten results")

    assert numbers(tmp_path / "out") == [0, -1, 1, -1, 2, -1, 3, -1, 4, -1]


def test_a_slow_sink_holds_the_source_back_and_memory_stays_bounded(flink, tmp_path):
    job = flink.run(
        pipeline(
            tmp_path,
            sink="SlowLinesSink",
            conf={"rate": 10**6},
            source_parts={"buffer": {"records": 1000}},
            sink_parts={"in_flight": 10},
        )
    )
    eventually(lambda: len(numbers(tmp_path / "out")) > 20, 60, "some records")
    time.sleep(3)
    written = len(numbers(tmp_path / "out"))
    position = eventually(lambda: source_position(job), 30, "the metric of the plugin is shown")
    job.cancel()

    assert position < written + 30000


def source_position(job):
    """The gauge "position" of the source, as Flink shows it."""
    for vertex in job.get()["vertices"]:
        path = f"/vertices/{vertex['id']}/metrics"
        for metric in job.get(path):
            if metric["id"].endswith("position"):
                value = job.get(f"{path}?get={metric['id']}".replace(" ", "%20"))
                return int(value[0]["value"])
    return None
