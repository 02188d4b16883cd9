"""A portable plugin of eKuiper, as it is, in a job: submitted with the project's own archives."""

from __future__ import annotations

import json
import zipfile

import pytest

from tests.support.plugins_support import PORTABLE, eventually, lines

pytestmark = [pytest.mark.flink, pytest.mark.network]


@pytest.fixture(scope="module")
def pysam(tmp_path_factory):
    """The plugin as the zip that eKuiper's users pass around."""
    path = tmp_path_factory.mktemp("portable") / "pysam.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(PORTABLE.glob("*.*")):
            archive.write(file, file.name)
    return path


def pipeline(path, **changes):
    return {
        "name": "portable",
        "plugins": ["data.zip/job/pysam.zip"],
        "checkpoint": {"interval": "500 ms"},
        "sources": {
            "readings": {
                "plugin": "pyjson",
                "datasource": "temperature",
                "conf": {"interval": 10},
                "schema": {"name": "STRING", "value": "BIGINT"},
                "meta": "origin",
            }
        },
        "functions": {
            "revert": {"example": ["abc"]},
            "longest": {"result": "STRING", "arguments": ["STRING"]},
        },
        "steps": {
            "turned": {"sql": "SELECT revert(name) AS name, `value`, origin FROM readings"},
            "windows": {
                "sql": "SELECT longest(name) AS name, COUNT(*) AS n FROM "
                "(SELECT name, PROCTIME() AS moment FROM turned) "
                "GROUP BY TUMBLE(moment, INTERVAL '1' SECOND)"
            },
        },
        "sinks": {
            "rows": {"plugin": "file", "from": "turned", "conf": {"path": str(path / "rows")}},
            "sums": {"plugin": "file", "from": "windows", "conf": {"path": str(path / "sums")}},
        },
        **changes,
    }


def test_source_functions_and_sinks_of_one_zip_run_from_the_projects_archives(
    flink, pysam, tmp_path
):
    job = flink.run(pipeline(tmp_path), files={"pysam.zip": pysam}, archived=True)
    eventually(lambda: len(lines(tmp_path / "rows")) > 100, 60, "100 rows")
    eventually(lambda: len(lines(tmp_path / "sums")) > 1, 30, "two windows")
    job.await_checkpoint()
    job.cancel()

    rows = [json.loads(line) for line in lines(tmp_path / "rows")]
    assert [row["value"] for row in rows] == list(range(len(rows)))
    assert {row["name"] for row in rows} == {"erutarepmet"}
    assert json.loads(rows[0]["origin"]) == {"instance": 0}
    sums = [json.loads(line) for line in lines(tmp_path / "sums")]
    assert {entry["name"] for entry in sums} == {"erutarepmet"}


def test_a_call_that_the_plugin_refuses_is_refused_before_the_job_starts(flink, pysam, tmp_path):
    steps = {"turned": {"sql": "SELECT revert(name, 1) AS name FROM readings"}}
    sinks = {"rows": {"plugin": "file", "from": "turned", "conf": {"path": "x"}}}

    finished = flink.submit(
        pipeline(tmp_path, steps=steps, sinks=sinks), files={"pysam.zip": pysam}
    )

    assert finished.returncode == 5
    assert json.loads(finished.stdout)["error"]["found"] == (
        "steps.turned: the plugin refuses revert(name, 1): revert takes one text, not 2 arguments"
    )
