"""``bundle plugin list``, ``new`` and ``pack``: on files, without importing what is found."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from flink_plugins import discovery
from flink_plugins.loading import load
from typer.testing import CliRunner

from bundler.cli.cmd_plugin import app
from bundler.errors import UsageError
from bundler.plugins.find_plugins import conda_environments, find_plugins
from bundler.plugins.new_plugin import new_plugin
from bundler.plugins.pack_plugin import pack_plugin

ROOT = Path(__file__).parents[3]
PYSAM = ROOT / "examples" / "plugins" / "pysam"


def rows(path):
    return [(each.kind, each.name, each.origin, each.version) for each in find_plugins(path)]


def test_a_scaffold_passes_its_own_tests(tmp_path):
    new_plugin("thermometer", tmp_path / "thermometer")
    paths = os.pathsep.join([str(ROOT / "jobs"), str(tmp_path / "thermometer")])

    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "flink_plugins.testing", "tests"],
        cwd=tmp_path / "thermometer",
        env={**os.environ, "PYTHONPATH": paths, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert finished.returncode == 0, finished.stdout
    assert "4 passed" in finished.stdout


def test_a_scaffold_is_listed_and_its_pack_loads_as_a_portable_plugin(tmp_path):
    new_plugin("thermometer", tmp_path / "project")
    assert rows(tmp_path / "project") == [
        ("function", "ThermometerFunction", "extension", "0.1.0"),
        ("sink", "ThermometerSink", "extension", "0.1.0"),
        ("source", "ThermometerSource", "extension", "0.1.0"),
    ]

    packed = pack_plugin(tmp_path / "project", tmp_path / "thermometer.zip")

    assert [row[:3] for row in rows(packed.path)] == [
        ("function", "ThermometerFunction", "ekuiper"),
        ("sink", "ThermometerSink", "ekuiper"),
        ("source", "ThermometerSource", "ekuiper"),
    ]
    refs = discovery.Registry(discovery.portable(str(packed.path)))
    function = load(refs.find("function", "ThermometerFunction"))
    assert function.exec(["abc"], None) == "cba"
    with zipfile.ZipFile(packed.path) as archive:
        assert not any(b"flink_plugins" in archive.read(name) for name in archive.namelist())


def test_packing_twice_gives_the_same_bytes(tmp_path):
    digests = set()
    for name in ("a.zip", "b.zip"):
        archive = pack_plugin(PYSAM, tmp_path / name)
        digests.add(hashlib.sha256(archive.path.read_bytes()).hexdigest())
    assert len(digests) == 1
    assert [ref.name for ref in discovery.portable(str(tmp_path / "a.zip"))] == [
        "pyjson",
        "print",
        "file",
        "revert",
        "longest",
    ]


def test_plugins_in_a_data_archive_are_found(tmp_path):
    packed = pack_plugin(PYSAM, tmp_path / "pysam.zip")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        archive.write(packed.path, "plugins/pysam.zip")
        archive.writestr("plugins/other.zip", b"no zip")
    found = find_plugins(tmp_path / "data.zip")
    assert [plugin.name for plugin in found] == ["longest", "revert", "file", "print", "pyjson"]
    assert found[0].where == f"{tmp_path}/data.zip/plugins/pysam.zip: pysam.json"


def test_entry_points_of_a_zip_are_found(tmp_path):
    with zipfile.ZipFile(tmp_path / "deps.zip", "w") as archive:
        archive.writestr(
            "sinetstream_mqtt-1.10.0.dist-info/entry_points.txt",
            "[sinetstream.reader]\nmqtt = a:B\n[sinetstream.async_reader]\nmqtt = a:C\n",
        )
        archive.writestr(
            "mine-2.dist-info/entry_points.txt", "[flink_plugins.function]\nShout = m:Shout\n"
        )
    assert rows(tmp_path / "deps.zip") == [
        ("function", "Shout", "native", "2"),
        ("source", "mqtt", "sinetstream", "1.10.0"),
    ]
    assert "deps.zip: mine" in find_plugins(tmp_path / "deps.zip")[0].where


def test_conda_environments_that_plugins_ask_for(tmp_path):
    (tmp_path / "run.py").write_text("")
    (tmp_path / "p.json").write_text(
        json.dumps(
            {
                "language": "python",
                "executable": "run.py",
                "virtualEnvType": "conda",
                "env": "myenv",
                "sources": ["x"],
            }
        )
    )
    assert conda_environments(find_plugins(tmp_path)) == ["myenv"]


@pytest.mark.parametrize("name", ["1st", "With-Dash", "Upper"])
def test_names_that_are_no_modules_are_refused(tmp_path, name):
    with pytest.raises(UsageError, match="cannot name a plugin"):
        new_plugin(name, tmp_path / "x")


def test_a_folder_without_plugin_is_not_packed(tmp_path):
    with pytest.raises(UsageError, match="has no plugin"):
        pack_plugin(tmp_path)
    with pytest.raises(UsageError, match="neither a folder nor a zip"):
        find_plugins(tmp_path / "missing.zip")


def test_the_commands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    made = runner.invoke(app, ["new", "pump"])
    assert made.exit_code == 0
    assert "wrote pump/pyproject.toml" in made.stdout
    packed = runner.invoke(app, ["pack", "pump", "--json"])
    assert json.loads(packed.stdout)["path"] == "pump.zip"
    again = runner.invoke(app, ["new", "pump"])
    assert again.exit_code == 2
    assert "error: pump exists." in again.stderr
