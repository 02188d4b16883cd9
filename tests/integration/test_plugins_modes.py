"""Thread mode: Python in the TaskManager, out of venv.zip, deps.zip and the job's own files."""

from __future__ import annotations

import pytest
from plugins_support import eventually, numbers

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
