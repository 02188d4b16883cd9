"""Portable plugins of eKuiper, loaded with the real SDK."""

import json
import logging
import zipfile
from pathlib import Path

import pytest
from flink_plugins import discovery
from flink_plugins.adapters import archives
from flink_plugins.adapters.archives import unpack
from flink_plugins.adapters.descriptor import read_descriptor
from flink_plugins.errors import PluginError, PluginNotFoundError
from flink_plugins.loading import load
from flink_plugins.runtime.context import PluginContext

PYSAM = Path(__file__).parents[3] / "examples" / "plugins" / "pysam"


def plugin_folder(path, script, **descriptor):
    path.mkdir()
    content = {"version": "v1", "language": "python", "executable": "run.py", **descriptor}
    (path / "plug.json").write_text(json.dumps(content))
    (path / "run.py").write_text(script)
    return path


ONE_FUNCTION = """
from ekuiper import Function, PluginConfig, plugin
from helper import answer

class Answer(Function):
    def validate(self, args): return ""
    def exec(self, args, ctx): return answer()
    def is_aggregate(self): return False

if __name__ == "__main__":
    try:
        plugin.start(PluginConfig("plug", {}, {}, {"answer": lambda: Answer()}))
    except Exception:
        raise SystemExit("eKuiper's start does not return")
"""


def test_a_zip_offers_what_its_descriptor_lists(tmp_path):
    path = tmp_path / "pysam.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in PYSAM.glob("*.*"):
            archive.write(file, file.name)

    refs = discovery.portable(str(path))

    assert [(ref.kind, ref.name, ref.version) for ref in refs] == [
        ("source", "pyjson", "v1.0.0"),
        ("sink", "print", "v1.0.0"),
        ("sink", "file", "v1.0.0"),
        ("function", "revert", "v1.0.0"),
        ("function", "longest", "v1.0.0"),
    ]
    revert = load(discovery.Registry(refs).find("function", "revert"))
    assert revert.exec(["abc"], None) == "cba"
    assert revert.validate(["a", "b"]) == "revert takes one text, not 2 arguments"


def test_a_link_in_the_temporary_folder_is_not_followed(tmp_path, monkeypatch):
    path, temporary, planted = tmp_path / "p.zip", tmp_path / "tmp", tmp_path / "planted"
    folder = plugin_folder(tmp_path / "p", ONE_FUNCTION, functions=["answer"])
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
        archive.writestr("helper.py", "def answer(): return 'the plugin'\n")
    temporary.mkdir()
    monkeypatch.setattr(archives.tempfile, "tempdir", str(temporary))
    place = Path(unpack(str(path)))
    assert Path(unpack(str(path))) == place
    place.rename(planted)
    place.symlink_to(planted)
    other = Path(unpack(str(path)))
    assert other != place and (other / "helper.py").is_file() and not other.is_symlink()


def test_sinks_get_json_as_ekuiper_gives_it(tmp_path, caplog):
    refs = discovery.Registry(discovery.portable(str(PYSAM)))
    caplog.set_level(logging.INFO)
    for conf in ({}, {"sendSingle": True}):
        sink = load(refs.find("sink", "print"))
        sink.configure(conf)
        sink.collect(PluginContext("job", "log"), {"a": 1, "b": b"ab"})
    assert [record.getMessage() for record in caplog.records] == [
        'received [{"a": 1, "b": "YWI="}]',
        'received {"a": 1, "b": "YWI="}',
    ]


def test_modules_of_the_same_name_do_not_mix(tmp_path):
    answers = []
    for name in ("one", "two"):
        folder = plugin_folder(tmp_path / name, ONE_FUNCTION, functions=["answer"])
        (folder / "helper.py").write_text(f"def answer(): return {name!r}\n")
        (ref,) = discovery.portable(str(folder))
        answers.append(load(ref))
    assert [function.exec([], None) for function in answers] == ["one", "two"]


@pytest.mark.parametrize(
    ("script", "descriptor", "said"),
    [
        ("", {"language": "go"}, "the plugin is written in 'go'. Only Python plugins run"),
        ("", {"executable": "other.py"}, "names the executable 'other.py', which is not in"),
    ],
)
def test_a_wrong_descriptor_is_refused(tmp_path, script, descriptor, said):
    folder = plugin_folder(tmp_path / "p", script, **descriptor)
    with pytest.raises(PluginError, match=said):
        discovery.portable(str(folder))


def test_a_folder_without_descriptor_is_refused(tmp_path):
    with pytest.raises(PluginError, match="no JSON descriptor at the top"):
        discovery.portable(str(tmp_path))


def test_a_script_that_never_starts_is_refused(tmp_path):
    folder = plugin_folder(tmp_path / "p", "x = 1\n", functions=["answer"])
    (ref,) = discovery.portable(str(folder))
    with pytest.raises(PluginError, match=r"the script ended without plugin\.start"):
        load(ref)


def test_a_symbol_that_the_script_lacks_is_refused(tmp_path):
    folder = plugin_folder(tmp_path / "p", ONE_FUNCTION, functions=["question"])
    (folder / "helper.py").write_text("def answer(): return 1\n")
    (ref,) = discovery.portable(str(folder))
    with pytest.raises(PluginError, match="'question', but the script defines only answer"):
        load(ref)


def test_the_conda_environment_is_read(tmp_path):
    folder = plugin_folder(tmp_path / "p", "", virtualEnvType="conda", env="myenv")
    assert read_descriptor(str(folder)).conda_env == "myenv"


def test_what_is_missing_is_said_with_the_places():
    with pytest.raises(PluginNotFoundError, match=r"Could not find 'no\.zip'\. Looked in"):
        discovery.portable("no.zip")
    with pytest.raises(PluginNotFoundError, match="Unknown source 'x'"):
        discovery.Registry([]).find("source", "x")
