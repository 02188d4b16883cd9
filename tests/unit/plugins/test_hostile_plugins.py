"""Plugins of strangers: each wrong one is one error, in bounded time and memory."""

import io
import json
import os
import zipfile

import pytest

from bundler.errors import UsageError
from bundler.plugins import plugin_tree
from bundler.plugins.conda_environment import conda_requests
from bundler.plugins.find_plugins import find_plugins
from bundler.plugins.pack_plugin import pack_plugin
from bundler.plugins.plugin_descriptor import parse_descriptor

DESCRIPTOR = {
    "version": "v1",
    "language": "python",
    "executable": "run.py",
    "virtualEnvType": "conda",
    "env": "vision",
    "sources": ["camera"],
}
PACKAGE = "flink_plugins/extensions/mine/__init__.py"


def zip_of(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def portable(folder, **changes):
    folder.mkdir(exist_ok=True)
    text = json.dumps({**DESCRIPTOR, **changes})
    return zip_of(folder / "p.zip", {"p.json": text, "run.py": "", "src/run.py": ""})


def test_keys_that_ekuiper_ignores_are_ignored(tmp_path):
    path = portable(tmp_path, author={"name": "EMQ"}, sinks=None, virtualEnvType=None, env=None)
    assert [(each.kind, each.name) for each in find_plugins(path)] == [("source", "camera")]


def test_the_executable_may_be_in_a_folder(tmp_path):
    path = portable(tmp_path, executable="src/run.py")
    assert [each.name for each in find_plugins(path)] == ["camera"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sources": 5}, "p.json: sources is 5."),
        ({"sources": [["x"]]}, "p.json: sources.0 is "),
        ({"sources": [""]}, "p.json: sources.0 is ''."),
        ({"sources": ["x\x1b[2J"]}, r"p.json: sources.0 is 'x\x1b[2J'."),
        ({"functions": ["x" * 256]}, "p.json: functions.0 is 'xxx"),
        ({"sinks": ["x"] * 1001}, "p.json: sinks is ('x', "),
        ({"executable": "../run.py"}, "p.json: executable is '../run.py'."),
        ({"executable": "/run.py"}, "p.json: executable is '/run.py'."),
        ({"executable": "a/../run.py"}, "p.json: executable is 'a/../run.py'."),
        ({"executable": ""}, "p.json: executable is ''."),
        ({"executable": None}, "p.json: executable is None."),
        ({"version": 1}, "p.json: version is 1."),
        ({"env": "../../home/x"}, "p.json: env is '../../home/x'."),
        ({"env": "--all"}, "p.json: env is '--all'."),
        ({"env": "a\nname: b"}, r"p.json: env is 'a\nname: b'."),
    ],
)
@pytest.mark.parametrize("read", [find_plugins, lambda path: conda_requests([path], path.parent)])
def test_a_wrong_descriptor_is_named_with_its_key(tmp_path, changes, said, read):
    with pytest.raises(UsageError) as raised:
        read(portable(tmp_path, **changes))
    assert said in raised.value.found
    assert len(raised.value.found) < 400
    assert "\x1b" not in str(raised.value)


@pytest.mark.parametrize("data", [b"[" * 60000, b'{"a":' * 12000, b"\xff\xfe", b"5", b"null", b""])
def test_other_json_is_not_a_descriptor(data):
    assert parse_descriptor(data, "p.json") is None


@pytest.mark.parametrize(
    "deep", ["(" * 5000, "-" * 200_000 + "1", "x = " + "[" * 150 + "]" * 150, "a" + ".b" * 100_000]
)
def test_deep_source_is_one_error_or_nothing(tmp_path, deep):
    path = zip_of(tmp_path / "x.zip", {PACKAGE: '__all__ = ["A"]\n' + deep})
    try:
        assert find_plugins(path) == []
    except UsageError as error:
        assert "is nested too deep to be parsed" in error.found


@pytest.mark.parametrize(
    "exports", ["5", "{[]: 1}", "'AB'", "[5, None]", "[*'AB']", "1" * 5000, r"['\x1b[2J']"]
)
def test_odd_exports_export_nothing(tmp_path, exports):
    source = f"__all__ = {exports}\nversion = {exports}\nclass A:\n  def open(self): pass\n"
    assert find_plugins(zip_of(tmp_path / "x.zip", {PACKAGE: source})) == []


def test_sources_are_read_with_a_bound(tmp_path):
    path = zip_of(tmp_path / "x.zip", {PACKAGE: b"#" * (2 << 20)})
    with pytest.raises(UsageError, match="larger than 1,048,576 bytes"):
        find_plugins(path)
    package = {PACKAGE.replace("__init__", f"m{n}"): b"#" * (1 << 20) for n in range(17)}
    path = zip_of(tmp_path / "y.zip", {PACKAGE: "", **package})
    with pytest.raises(UsageError, match="more than 16,777,216 bytes of source"):
        find_plugins(path)


def test_a_damaged_zip_is_one_error(tmp_path):
    path = portable(tmp_path)
    whole = path.read_bytes()
    at = whole.index(b"PK\1\2")
    path.write_bytes(whole[: at + 16] + b"\0\0\0\0" + whole[at + 20 :])  # the CRC in the directory
    with pytest.raises(UsageError, match="is not a zip that can be read"):
        find_plugins(path)
    path.write_bytes(whole[:10] + whole[20:])
    with pytest.raises(UsageError, match="is not a zip that can be read"):
        find_plugins(path)


def nested(levels, data):
    for _ in range(levels):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.zip", data)
        data = buffer.getvalue()
    return data


def test_zips_in_zips_are_opened_one_level_deep(tmp_path):
    plugin = portable(tmp_path / "p").read_bytes()
    for levels, found in ((0, 1), (1, 1), (2, 0), (30, 0)):
        path = tmp_path / "data.zip"
        path.write_bytes(nested(levels, plugin))
        assert len(find_plugins(path)) == found


def test_inner_zips_are_inflated_up_to_a_sum(tmp_path, monkeypatch):
    plugin = portable(tmp_path / "p").read_bytes()
    path = zip_of(tmp_path / "data.zip", {f"{n}.zip": plugin for n in range(20)})
    assert len(find_plugins(path)) == 20
    monkeypatch.setattr(plugin_tree, "_INNER_BYTES", 5 * len(plugin))
    assert len(find_plugins(path)) == 5


def test_a_folder_with_everything_that_is_not_a_file(tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    os.mkfifo(folder / "pipe.json")
    os.mkfifo(folder / "pipe.zip")
    (folder / "zero.json").symlink_to("/dev/zero")
    (folder / "zero.zip").symlink_to("/dev/zero")
    (folder / "loop.json").symlink_to("loop.json")
    (folder / "up").symlink_to("..")
    (folder / "broken.zip").write_bytes(b"PK\5\6" + bytes(18) + b"x")
    (folder / "bad\nname.json").write_text(json.dumps(DESCRIPTOR))
    (folder / "run.py").write_text("")
    (folder / "p.json").write_text(json.dumps(DESCRIPTOR))
    assert [each.where for each in find_plugins(folder)] == [f"{folder}: p.json"]


def test_a_very_deep_or_large_folder_is_one_error(tmp_path, monkeypatch):
    monkeypatch.setattr(plugin_tree, "_DEEPEST_FOLDER", 20)
    monkeypatch.setattr(plugin_tree, "_MOST_FILES", 50)
    (tmp_path / "deep" / "/".join("d" * 30)).mkdir(parents=True)
    with pytest.raises(UsageError, match="more than 20 levels"):
        find_plugins(tmp_path / "deep")
    (tmp_path / "wide").mkdir()
    for number in range(60):
        (tmp_path / "wide" / str(number)).write_text("")
    with pytest.raises(UsageError, match="more than 50 files"):
        find_plugins(tmp_path / "wide")


def test_a_broken_neighbour_does_not_hide_a_good_plugin(tmp_path):
    for name, source in (("good", '__all__ = ["A"]\n'), ("broken", "import nowhere\nthis is (")):
        package = tmp_path / f"flink_plugins/extensions/{name}"
        package.mkdir(parents=True)
        code = source + "class A:\n  def open(self): pass\n"
        (package / "__init__.py").write_text(code)
    assert [each.name for each in find_plugins(tmp_path)] == ["A"]


def test_a_pack_has_no_links(tmp_path):
    folder = tmp_path / "plugin"
    folder.mkdir()
    (folder / "p.json").write_text(json.dumps(DESCRIPTOR))
    (folder / "real.py").write_text("print()\n")
    (folder / "run.py").symlink_to("real.py")
    packed = pack_plugin(folder, tmp_path / "p.zip")
    with zipfile.ZipFile(packed.path) as archive:
        assert archive.read("run.py") == b"print()\n"
        assert {info.external_attr >> 28 for info in archive.infolist()} == {0o10}

    (folder / "lib").mkdir()
    (folder / "lib" / "x.py").write_text("")
    (folder / "also").symlink_to("lib")
    with pytest.raises(UsageError, match="is a folder that the symlink also points to"):
        pack_plugin(folder, tmp_path / "p.zip")


def test_what_leads_out_of_a_plugin_is_not_packed(tmp_path):
    folder = tmp_path / "plugin"
    folder.mkdir()
    (tmp_path / "run.py").write_text("")
    for executable in ("../run.py", "/etc/passwd"):
        (folder / "p.json").write_text(json.dumps({**DESCRIPTOR, "executable": executable}))
        with pytest.raises(UsageError, match=r"p\.json: executable is"):
            pack_plugin(folder, tmp_path / "p.zip")
    os.mkfifo(folder / "q.json")
    (folder / "p.json").unlink()
    with pytest.raises(UsageError, match="is a named pipe"):
        pack_plugin(folder, tmp_path / "p.zip")


def test_a_project_keeps_sources_of_other_encodings(tmp_path):
    package = tmp_path / "flink_plugins" / "extensions" / "mine"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        '__all__ = ["A"]\nfrom flink_plugins.extensions.mine.a import A\n'
    )
    code = "# -*- coding: latin-1 -*-\n# \xe9\nclass A:\n    def open(self): pass\n".encode(
        "latin-1"
    )
    (package / "a.py").write_bytes(code)
    packed = pack_plugin(tmp_path, tmp_path / "mine.zip")
    with zipfile.ZipFile(packed.path) as archive:
        assert archive.read("mine/a.py") == code
        assert b"from mine.a import A" in archive.read("mine/__init__.py")
        assert b'"mine",\n            {"A": mine.A},\n            {},' in archive.read(
            "mine_main.py"
        )
