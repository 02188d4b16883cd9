"""Files of strangers on a worker: zips, descriptors, scripts and pipelines made to do harm."""

import json
import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from flink_plugins import discovery, files
from flink_plugins.adapters import archives
from flink_plugins.adapters.archives import unpack
from flink_plugins.adapters.descriptor import parse_descriptor
from flink_plugins.errors import PipelineError, PluginError
from flink_plugins.pipeline import Pipeline
from flink_plugins.pipeline.reading import MOST_VALUES, read_text

DESCRIPTOR = {"version": "v1", "language": "python", "executable": "run.py", "sources": ["x"]}
JOBS = Path(__file__).parents[3] / "jobs"


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(archives.tempfile, "tempdir", str(folder))
    return folder


def zip_of(path, members):
    with zipfile.ZipFile(str(path), "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members:
            archive.writestr(member, data)
    return str(path)


def plugin(path, **changes):
    text = json.dumps(dict(DESCRIPTOR, **changes))
    return zip_of(path, [("p.json", text), ("run.py", "")])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sources": 5}, "'sources' is 5, not a list of names"),
        ({"sources": {"x": 1}}, "'sources' is {'x': 1}, not a list of names"),
        ({"sources": [None]}, "'sources' holds None, which is not a name"),
        ({"sinks": ["x\x1b[2J"]}, r"'sinks' holds the name 'x\x1b[2J' with a control character"),
        ({"functions": ["x" * 256]}, "which is not a name"),
        ({"functions": ["x"] * 1001}, "'functions' has 1001 names; the limit is 1000"),
        ({"executable": "../run.py"}, "'../run.py' is not a path inside of the plugin"),
        ({"executable": "/etc/passwd"}, "'/etc/passwd' is not a path inside of the plugin"),
        ({"executable": "a//run.py"}, "'a//run.py' is not a path inside of the plugin"),
        ({"executable": None}, "'executable' holds None, which is not a name"),
        ({"language": ["python"]}, "the plugin is written in ['python']"),
        ({"version": 1}, "'version' holds 1, which is not a name"),
    ],
)
def test_a_wrong_descriptor_is_one_line(tmp_path, changes, said):
    with pytest.raises(PluginError) as raised:
        discovery.portable(plugin(tmp_path / "p.zip", **changes))
    assert said in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize("text", [b"[" * 60000, b"5", b"\xff", b"", b'{"a":' * 10000])
def test_other_json_is_not_a_descriptor(text):
    with pytest.raises(PluginError, match="is not the descriptor of a portable plugin"):
        parse_descriptor("p", text, "p.zip")


def test_keys_that_ekuiper_ignores_are_ignored(tmp_path):
    path = plugin(tmp_path / "p.zip", author={"name": "EMQ"}, sinks=None, env=None)
    assert [ref.name for ref in discovery.portable(path)] == ["x"]


def test_a_descriptor_is_read_with_a_bound(tmp_path):
    path = zip_of(tmp_path / "p.zip", [("p.json", b" " * (1 << 20)), ("run.py", "")])
    with pytest.raises(PluginError, match=r"'p\.json' is larger than 65536 bytes"):
        discovery.portable(path)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "p.json").symlink_to("/dev/zero")
    with pytest.raises(PluginError, match="is not a regular file"):
        discovery.portable(str(folder))
    (folder / "p.json").unlink()
    os.mkfifo(str(folder / "p.json"))
    with pytest.raises(PluginError, match="is not a regular file"):
        discovery.portable(str(folder))


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\..\\x", "a\x1bb", "a//b"])
def test_a_member_that_leaves_is_refused(tmp_path, temporary, name):
    path = zip_of(tmp_path / "p.zip", [("good", "1"), (name, "2")])
    with pytest.raises(PluginError, match="is not a path inside of the plugin"):
        unpack(path)
    assert not any(temporary.iterdir())


def test_links_and_special_files_are_refused(tmp_path, temporary):
    for kind in (stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR):
        member = zipfile.ZipInfo("link")
        member.external_attr = (kind | 0o777) << 16
        path = zip_of(tmp_path / "p.zip", [(member, "/etc"), ("link/passwd", "x")])
        with pytest.raises(PluginError, match="'link' is a link or a special file"):
            unpack(path)
    assert not any(temporary.iterdir())


def test_a_file_where_a_folder_should_be_is_one_error(tmp_path, temporary):
    for members in ([("a", ""), ("a/b", "")], [("a/b", ""), ("a", "")], [("a", "1"), ("a", "2")]):
        with pytest.raises(PluginError, match="the zip could not be read"):
            unpack(zip_of(tmp_path / "p.zip", members))
    assert not any(temporary.iterdir())


def test_what_is_unpacked_is_counted(tmp_path, temporary, monkeypatch):
    path = zip_of(tmp_path / "p.zip", [("a", b"\0" * (1 << 20)), ("b", b"\0" * (1 << 20))])
    monkeypatch.setattr(archives, "MOST_BYTES", 3 << 19)
    with pytest.raises(PluginError, match="unpacked, it is larger than"):
        unpack(path)
    monkeypatch.setattr(archives, "MOST_MEMBERS", 1)
    with pytest.raises(PluginError, match="the zip has 2 members"):
        unpack(path)
    assert not any(temporary.iterdir())


def test_a_damaged_zip_is_one_error(tmp_path, temporary):
    path = Path(plugin(tmp_path / "p.zip"))
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            discovery.portable(str(path))
            unpack(str(path))
        except PluginError as error:
            assert len(str(error)) < 1000
    assert not [each for each in temporary.iterdir() if len(each.name) < 30]


@pytest.mark.parametrize("script", ["(" * 5000, "-" * 100000 + "1", "\0", "x = ("])
def test_a_script_that_does_not_compile_is_one_error(tmp_path, script):
    from flink_plugins.adapters import ekuiper

    pytest.importorskip("ekuiper")
    path = zip_of(tmp_path / "p.zip", [("p.json", json.dumps(DESCRIPTOR)), ("run.py", script)])
    with pytest.raises(PluginError, match="the script is not Python"):
        ekuiper.load("source", "x", path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[" * 100000, "nested more than 50 levels deep"),
        ('{"a":' * 60 + "1" + "}" * 60, "nested more than 50 levels deep"),
        ("a: " + "[" * 60 + "]" * 60, "nested more than 50 levels deep"),
        ("a: &a [1]\nb: [*a", "neither YAML nor JSON"),
        ("a: &a [*a]", "nested more than 50 levels deep"),
        ("? [a, [b]]\n: c", ""),
        ("!!python/object/apply:os.system ['true']", "neither YAML nor JSON"),
        ("a: 2024-99-99", "neither YAML nor JSON"),
        ("a: \x00", "neither YAML nor JSON"),
        ("{1: 2, [3]: 4}", ""),
    ],
)
def test_a_text_made_to_harm_is_one_error(text, said):
    try:
        content = read_text(text)
    except PipelineError as error:
        assert said in str(error)
        assert len(str(error).splitlines()) == 1
    else:
        assert not said, content


def test_anchors_that_multiply_are_counted():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += ["a{0}: &a{0} [{1}]".format(n, ", ".join([f"*a{n - 1}"] * 9)) for n in range(1, 12)]
    with pytest.raises(PipelineError, match=f"more than {MOST_VALUES} values"):
        read_text("\n".join(lines))


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "flink_plugins", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(JOBS)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.json", "{}", "p.json: pipeline: 'sources' is empty: nothing would run."),
        ("p.json", "[", "The pipeline is neither YAML nor JSON"),
        ("p.json", b"\xff\xfe", "p.json: The pipeline is not UTF-8"),
        ("p.json", b" " * (1 << 19), "is larger than 262144 bytes"),
        ("p.json", '{"plugins": ["x\\u0000"]}', r"pipeline.plugins: found 'x\x00'"),
        ("p.json", '{"parallelism": 99999999999999999999}', "is more than 2147483647"),
        ("p.json", '{"sources": {"a": {"plugin": "x", "conf": []}}}', "Expected a mapping"),
        ("p.json", '{"checkpoint": {"interval": "%s s"}}' % ("9" * 5000), "is not a time"),
    ],
    ids=["empty", "cut", "not-utf8", "large", "control", "huge", "list", "long"],
)
def test_a_wrong_pipeline_is_one_line_and_no_traceback(tmp_path, name, text, said):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    finished = run(path)
    assert finished.returncode == 1
    assert finished.stderr.startswith("flink_plugins: error: ")
    assert said in finished.stderr
    assert len(finished.stderr.splitlines()) == 1
    assert len(finished.stderr) < 1000


def test_only_a_regular_file_is_a_pipeline(tmp_path):
    os.mkfifo(str(tmp_path / "pipe"))
    for path in (tmp_path / "pipe", tmp_path, "/dev/zero"):
        finished = run(path)
        assert finished.returncode == 1
        assert finished.stderr.startswith("flink_plugins: error: ")
        assert len(finished.stderr.splitlines()) == 1
    assert "Could not find" in run(tmp_path / "missing\n\x1b[2J").stderr


def test_an_extension_that_does_not_import_hides_no_other(tmp_path, monkeypatch, caplog):
    for name, source in (
        ("good_one", "__all__ = ['A']\nclass A:\n def open(self): pass\n configure = open\n"),
        ("broken_one", "import a_driver_that_is_not_here\n__all__ = ['B']\n"),
    ):
        package = tmp_path / "flink_plugins" / "extensions" / name
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(source)
    import flink_plugins

    monkeypatch.setattr(
        flink_plugins, "__path__", [*flink_plugins.__path__, str(tmp_path / "flink_plugins")]
    )
    monkeypatch.delitem(sys.modules, "flink_plugins.extensions", raising=False)
    refs, broken = discovery.installed()
    found = [ref.name for ref in refs if ref.origin == "extension"]
    monkeypatch.delitem(sys.modules, "flink_plugins.extensions", raising=False)
    assert "A" in found
    assert "broken_one" in caplog.text
    with pytest.raises(PluginError, match=r"broken_one \(.*a_driver_that_is_not_here"):
        discovery.Registry(refs, broken).find("source", "B")


def test_sql_of_a_connector_is_quoted():
    from flink_plugins.pipeline.build import _quoted

    assert _quoted("a'b") == "'a''b'"


def test_a_pipeline_file_is_looked_up_and_checked(tmp_path):
    path = tmp_path / "p.json"
    path.write_text(
        json.dumps(
            {"sources": {"a": {"plugin": "x"}}, "sinks": {"b": {"plugin": "y", "from": "a"}}}
        )
    )
    assert Pipeline.load(str(path)).spec.sinks[0].source == "a"
    assert files.read_bounded(str(path), 1000).startswith(b"{")
