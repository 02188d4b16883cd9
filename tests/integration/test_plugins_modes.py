"""The same plugins in thread mode, and on the newest Flink and Python."""

from __future__ import annotations

import json

import pytest

from tests.support.plugins_support import ROOT, Flink, eventually, lines, make_archives, numbers

pytestmark = [pytest.mark.flink, pytest.mark.network]


def test_in_thread_mode_every_record_arrives_once_and_in_order(flink, tmp_path):
    job = flink.run(
        {
            "name": "threads",
            "checkpoint": {"interval": "500 ms"},
            "configuration": {"python.execution-mode": "thread"},
            "sources": {
                "s": {
                    "plugin": "plugins_workload:Numbers",
                    "schema": {"instance": "INT", "number": "BIGINT"},
                    "conf": {"rate": 100},
                }
            },
            "functions": {"triple": {"plugin": "plugins_workload:Triple"}},
            "steps": {"tripled": {"sql": "SELECT instance, triple(number) AS number FROM s"}},
            "sinks": {
                "out": {
                    "plugin": "plugins_workload:LinesSink",
                    "from": "tripled",
                    "conf": {"path": str(tmp_path / "out")},
                },
                "slow": {
                    "plugin": "plugins_workload:SlowLinesSink",
                    "from": "s",
                    "conf": {"path": str(tmp_path / "slow"), "delay": 0.001},
                },
            },
        },
        archived=True,
    )
    eventually(lambda: len(numbers(tmp_path / "slow")) > 200, 60, "200 numbers")
    job.await_checkpoint()

    arrived = numbers(tmp_path / "out")
    assert arrived == [3 * n for n in range(len(arrived))]
    assert numbers(tmp_path / "slow")[:200] == list(range(200))
    assert job.kill_workers() == 0  # there is none
    # Cancelling in this mode can take the TaskManager with it: its end with the cluster is quicker.
    flink.jobs.remove(job)


def test_on_flink_2_3_and_python_3_12(start_cluster, bundle_command, tmp_path):
    archives = make_archives(bundle_command, tmp_path, "2.3.0", "3.12", f"{ROOT / 'jobs'}\n")
    pipeline = {
        "name": "newest",
        "checkpoint": {"interval": "500 ms"},
        "sources": {
            "s": {
                "plugin": "plugins_workload:Numbers",
                "schema": {"instance": "INT", "number": "BIGINT"},
            }
        },
        "functions": {
            "halve": {"plugin": "plugins_workload:Halve", "on_error": "log"},
            "triple": {"plugin": "plugins_workload:Triple", "batched": True},
            "spread": {"plugin": "plugins_workload:Spread", "arguments": ["BIGINT"]},
        },
        "steps": {
            "halved": {"sql": "SELECT instance, COALESCE(halve(number), -1) AS number FROM s"},
            "windows": {
                "sql": "SELECT spread(triple(number)) AS spread FROM "
                "(SELECT number, PROCTIME() AS moment FROM s) "
                "GROUP BY TUMBLE(moment, INTERVAL '1' SECOND)"
            },
        },
        "sinks": {
            name: {
                "plugin": f"plugins_workload:{plugin}",
                "from": source,
                "conf": {"path": str(tmp_path / name)},
            }
            for name, plugin, source in (
                ("half", "LinesSink", "halved"),
                ("acknowledged", "SlowLinesSink", "s"),
                ("spreads", "JsonSink", "windows"),
            )
        },
    }
    with start_cluster("2.3.0") as cluster:
        job = Flink(cluster, bundle_command, *archives, tmp_path).run(pipeline)
        eventually(lambda: lines(tmp_path / "spreads"), 60, "a window")
        eventually(lambda: len(numbers(tmp_path / "acknowledged")) > 100, 30, "100 numbers")
        job.await_checkpoint()
        job.cancel()

    assert numbers(tmp_path / "half")[:6] == [0, -1, 1, -1, 2, -1]
    assert numbers(tmp_path / "acknowledged")[:100] == list(range(100))
    first = json.loads(lines(tmp_path / "spreads")[0])["spread"]
    assert first[0] == 0
    assert first[1] % 3 == 0
