"""A namespace package out of requirements, and functions of every kind, in one real job."""

from __future__ import annotations

import dataclasses
import itertools
import json
import zipfile

import pytest

from tests.support.flink_support import JOBS
from tests.support.plugins_support import ROOT, eventually, lines, numbers

pytestmark = [pytest.mark.flink, pytest.mark.network]

FUNCTIONS = "flink_plugins/extensions/thermometer/functions.py"


@pytest.fixture
def extension(bundle_command, plugin_archives, tmp_path):
    """deps.zip made of the folder of a new plugin that needs a package from the index."""
    project = tmp_path / "thermometer"
    bundle_command("plugin", "new", "thermometer", cwd=tmp_path)
    metadata = project / "pyproject.toml"
    text = metadata.read_text()
    assert "dependencies = []" in text
    metadata.write_text(text.replace("dependencies = []", 'dependencies = ["inflection==0.5.1"]'))
    functions = project / FUNCTIONS
    text = functions.read_text()
    assert "args[0][::-1]" in text
    functions.write_text(
        "import inflection\n\n\n"
        + text.replace("args[0][::-1]", "inflection.titleize(args[0])[::-1]")
    )
    (tmp_path / "requirements.txt").write_text(f"{ROOT / 'jobs'}\n./thermometer\n")
    bundle_command(
        "deps", "-r", "requirements.txt", "--exclude-in", plugin_archives[0], cwd=tmp_path
    )
    return tmp_path / "deps.zip"


def test_an_extension_from_requirements_and_functions_of_every_kind(
    flink, bundle_command, extension, tmp_path
):
    listed = json.loads(bundle_command("plugin", "list", extension, "--json").stdout)["plugins"]
    assert [(each["kind"], each["name"], each["origin"], each["version"]) for each in listed] == [
        ("function", "ThermometerFunction", "extension", "0.1.0"),
        ("sink", "ThermometerSink", "extension", "0.1.0"),
        ("source", "ThermometerSource", "extension", "0.1.0"),
    ]
    with zipfile.ZipFile(extension) as archive:
        assert "inflection/__init__.py" in archive.namelist()

    pipeline = {
        "name": "extension",
        "checkpoint": {"interval": "500 ms"},
        "sources": {
            "readings": {
                "plugin": "ThermometerSource",
                "datasource": "boiler_room",
                "conf": {"interval": 10},
                "schema": {"source": "STRING", "number": "BIGINT"},
            }
        },
        "functions": {
            "title": {"plugin": "ThermometerFunction"},
            "triple": {"plugin": "plugins_workload:Triple", "batched": True},
            "spread": {"plugin": "plugins_workload:Spread", "arguments": ["BIGINT"]},
        },
        "steps": {
            "titled": {"from": "readings", "call": {"title": "title(source)"}},
            "tripled": {"sql": "SELECT title, triple(number) AS number FROM titled"},
            "windows": {
                "sql": "SELECT spread(number) AS spread, COUNT(*) AS n FROM "
                "(SELECT number, PROCTIME() AS moment FROM tripled) "
                "GROUP BY TUMBLE(moment, INTERVAL '1' SECOND)"
            },
        },
        "sinks": {
            "log": {"plugin": "ThermometerSink", "from": "tripled"},
            "rows": {
                "plugin": "plugins_workload:JsonSink",
                "from": "tripled",
                "conf": {"path": str(tmp_path / "rows")},
            },
            "windows_out": {
                "plugin": "plugins_workload:JsonSink",
                "from": "windows",
                "conf": {"path": str(tmp_path / "windows")},
            },
        },
    }
    job = dataclasses.replace(flink, deps=extension).run(
        pipeline,
        script=JOBS / "plugins_program.py",
        arguments=("data.zip/job/pipeline.json", str(tmp_path / "mapped")),
    )
    eventually(lambda: len(lines(tmp_path / "windows")) > 2, 60, "three windows")
    eventually(lambda: len(numbers(tmp_path / "mapped")) > 100, 30, "100 numbers of the map")
    job.await_checkpoint()
    log = "".join(path.read_text() for path in flink.cluster.logs.glob("taskmanager*"))

    rows = [json.loads(line) for line in lines(tmp_path / "rows")]
    assert [row["number"] for row in rows] == [3 * n for n in range(len(rows))]
    assert {row["title"] for row in rows} == {"mooR relioB"}
    windows = [json.loads(line) for line in lines(tmp_path / "windows")]
    assert windows[0]["spread"][0] == 0
    for entry, following in itertools.pairwise(windows):
        assert entry["spread"][1] - entry["spread"][0] == 3 * (entry["n"] - 1)
        assert following["spread"][0] == entry["spread"][1] + 3
    assert numbers(tmp_path / "mapped")[:100] == [3 * n for n in range(100)]
    assert "received {'title': 'mooR relioB', 'number': 0}" in log
