"""The conda environment that portable plugins ask for: whose word counts, and its file."""

import json
import zipfile

import pytest

from bundler.errors import UsageError
from bundler.plugins.conda_environment import (
    conda_requests,
    environment_file,
    with_conda_of_plugins,
)
from bundler.project.tables import find_project
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.support.progress import Progress

OURS = "name: vision\ndependencies:\n  - numpy\n"


def plugin(folder, asks="vision", **files):
    """A portable plugin that asks for a conda environment; ``files`` lie in it, as NAME.yml."""
    folder.mkdir(parents=True)
    (folder / "run.py").write_text("")
    descriptor = {
        "language": "python",
        "executable": "run.py",
        "virtualEnvType": "conda",
        "env": asks,
        "sources": ["camera"],
    }
    (folder / "camera.json").write_text(json.dumps(descriptor))
    for name, text in files.items():
        (folder / f"{name}.yml").write_text(text)
    return folder


def zipped(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, file.name)
    return path


def chosen(paths, folder):
    return environment_file(conda_requests(paths, folder), Cache(folder / "cache"))


def test_the_file_in_the_plugin_wins_over_the_one_beside_it(tmp_path):
    folder = plugin(tmp_path / "camera", environment=OURS)
    (tmp_path / "vision.yml").write_text("name: vision\n")
    assert chosen([folder], tmp_path) == folder / "environment.yml"


@pytest.mark.parametrize("place", ["plugins/vision.yaml", "environment.yml"])
def test_it_may_lie_beside_the_plugin_or_in_the_project(tmp_path, place):
    plugin(tmp_path / "plugins" / "camera")
    (tmp_path / place).write_text(OURS)
    assert chosen([tmp_path / "plugins"], tmp_path) == tmp_path / place


def test_the_file_of_another_environment_is_passed_over(tmp_path):
    folder = plugin(tmp_path / "camera", environment="name: other\n", vision="name: 'vision'\n")
    assert chosen([folder], tmp_path) == folder / "vision.yml"


def test_a_plugin_in_a_zip_brings_its_file(tmp_path):
    path = zipped(plugin(tmp_path / "made", environment=OURS), tmp_path / "camera.zip")
    assert chosen([path], tmp_path).read_text() == OURS
    assert chosen([path], tmp_path).is_relative_to(tmp_path / "cache")


def test_nothing_is_asked_by_other_data(tmp_path):
    (tmp_path / "rows.json").write_text(json.dumps({"language": "python", "executable": "no.py"}))
    (tmp_path / "large.json").write_text("[" + "1," * 40000 + "1]")
    (tmp_path / "model.bin").write_bytes(b"PK")
    paths = [tmp_path, tmp_path / "model.bin", tmp_path / "missing"]
    assert conda_requests(paths, tmp_path) == []


def test_an_environment_without_file_is_an_error_that_names_both(tmp_path):
    folder = plugin(tmp_path / "camera")
    with pytest.raises(
        UsageError, match=r"camera\.json asks for .*'vision', which no file"
    ) as said:
        chosen([folder], tmp_path)
    assert "vision.yml" in said.value.expected
    assert "--environment" in said.value.remedy


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("sound", "name: sound\n", "for 'sound'"),
        ("vision", OURS + "  - scipy\n", "another of that"),
    ],
)
def test_plugins_that_disagree_are_an_error(tmp_path, name, text, found):
    first = plugin(tmp_path / "a", environment=OURS)
    second = plugin(tmp_path / "b", name, environment=text)
    with pytest.raises(UsageError, match=found) as said:
        chosen([first, second], tmp_path)
    assert "share one environment" in said.value.expected


def test_plugins_that_agree_share_it(tmp_path):
    first = plugin(tmp_path / "a", environment=OURS)
    second = plugin(tmp_path / "b", environment=OURS)
    assert chosen([first, second], tmp_path) == first / "environment.yml"


class Noted(Progress):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.mark.parametrize(
    ("venv", "base", "environment"),
    [
        ("", "conda", "plugins/camera/environment.yml"),
        ('base = "auto"', "conda", "plugins/camera/environment.yml"),
        ('base = "conda"', "conda", "plugins/camera/environment.yml"),
        ('base = "host"', "host", None),
        ('base = "conda"\nenvironment = "mine.yml"', "conda", "mine.yml"),
        ('from-prefix = "envs/mine"', "auto", None),
    ],
)
def test_the_projects_own_word_wins(tmp_path, venv, base, environment):
    plugin(tmp_path / "plugins" / "camera", environment=OURS)
    text = f'[venv]\n{venv}\n[data.plugins]\npaths = ["plugins"]\n'
    (tmp_path / "bundle.toml").write_text(text)
    project, said = find_project(tmp_path), Noted()

    table = with_conda_of_plugins(
        project, project.tables.venv, Session(Cache(tmp_path / "cache"), said)
    )

    assert table.base == base
    found = table.environment and project.path(table.environment)
    assert found == (tmp_path / environment if environment else None)
    own_file = "mine" in venv
    assert [f"the base is {base}" in note for note in said.notes] == ([] if own_file else [True])


def test_plugins_of_the_venv_table_count_too(tmp_path):
    plugin(tmp_path / "camera", environment=OURS)
    (tmp_path / "bundle.toml").write_text('[venv]\nplugins = ["camera"]\n')
    project = find_project(tmp_path)

    table = with_conda_of_plugins(project, project.tables.venv, Session(Cache(tmp_path / "cache")))

    assert table.environment == tmp_path / "camera" / "environment.yml"
