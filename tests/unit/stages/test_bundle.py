"""bundle.lock.json: exact, bounded, and never a way to a file elsewhere."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bundler.archive.entry import text_entry
from bundler.archive.writer import write_archive
from bundler.errors import UsageError
from bundler.jars.listing import jar_list
from bundler.stages.bundle import bundle_of, bundle_of_build, read_bundle, write_list
from bundler.stages.bundle_list import LIST_NAME
from bundler.stages.pack import Packed
from bundler.target import Target

TARGET = Target.parse(flink="2.2.1", python="3.11")


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A folder as `bundle build` leaves it."""
    packed = [
        Packed(
            kind,
            write_archive([text_entry("a.txt", kind)], tmp_path / f"{kind}.zip"),
            0.0,
            {"numpy": "2.2.0", "of-conda": "2024a", "unknown": ""},
            "venv.zip/venv/bin/python3.11" if kind == "venv" else None,
        )
        for kind in ("venv", "deps", "data")
    ]
    with zipfile.ZipFile(tmp_path / "my own.jar", "w") as jar:
        jar.writestr("a/A.class", b"\xca\xfe\xba\xbe")
    jars = jar_list([tmp_path / "my own.jar"])
    write_list(tmp_path, bundle_of_build(TARGET, packed, jars), packed)
    return tmp_path


def change(folder: Path, *keys: Any, value: object) -> None:
    path = folder / LIST_NAME
    listing = inner = json.loads(path.read_text())
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    path.write_text(json.dumps(listing))


def test_a_bundle_is_read_as_it_was_written(built):
    bundle = read_bundle(built)

    assert bundle.target == TARGET
    assert bundle.executable == "venv.zip/venv/bin/python3.11"
    assert (bundle.venv, bundle.deps) == (built / "venv.zip", built / "deps.zip")
    assert bundle.data == (built / "data.zip",)
    assert bundle.jars == jar_list([built / "my own.jar"])


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (["archives", 0, "file"], "../venv.zip", "archives.0.file is '../venv.zip'"),
        (["archives", 0, "file"], "/etc/passwd", "archives.0.file is '/etc/passwd'"),
        (["archives", 0, "file"], "..", "archives.0.file is '..'"),
        (["archives", 0, "file"], "a\n--index-url x", r"archives.0.file is 'a\n--index-url x'"),
        (["archives", 0, "file"], "deps.zip", "its shape is another"),
        (["archives", 0, "file"], 3, "archives.0.file is 3"),
        (["archives", 0, "sha256"], "../" * 21 + "x", "archives.0.sha256 is"),
        (["archives", 0, "sha256"], "A" * 64, "archives.0.sha256 is"),
        (["archives", 0, "size"], -1, "archives.0.size is -1"),
        (["archives", 0, "size"], 1.5, "archives.0.size is 1.5"),
        (["archives", 0, "size"], "12", "archives.0.size is '12'"),
        (["archives", 0, "kind"], "exe", "archives.0.kind is 'exe'"),
        (["archives", 1, "kind"], "venv", "its shape is another"),
        (["archives", 0, "packages", "a\n-r x"], "1", "is not a possible name"),
        (["archives", 0, "packages", "numpy"], "1\n-r x", r"numpy is '1\n-r x'"),
        (["archives", 0, "more"], 1, "archives.0.more is not a known key"),
        (["archives"], {}, "archives is {}"),
        (["jars", 0, "file"], "lib/x.jar", "jars.0.file is 'lib/x.jar'"),
        (["jars"], [{}] * 20_000, "jars"),
        (["executable"], "../../bin/sh", "executable is '../../bin/sh'"),
        (["executable"], "/bin/sh", "executable is '/bin/sh'"),
        (["executable"], "-c", "executable is '-c'"),
        (["executable"], "a b", "executable is 'a b'"),
        (["target", "flink"], 2, "target.flink is 2"),
        (["target", "flink"], "9.9", "9.9"),
        (["target", "platform"], "manylinux\n", r"target.platform is 'manylinux\n'"),
        (["target"], None, "target is None"),
        (["new"], 1, "new is not a known key"),
    ],
)
def test_what_no_build_wrote_is_one_message(built, keys, value, said):
    change(built, *keys, value=value)

    with pytest.raises(UsageError) as raised:
        read_bundle(built)

    assert str(built / LIST_NAME) in raised.value.found
    assert said in raised.value.found
    assert raised.value.found.isprintable()
    assert len(str(raised.value)) < 700
    assert raised.value.remedy == "Run `bundle build` again."


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 1_000_000, b"[]", b'{"a": NaN}'])
def test_what_is_no_json_of_that_shape(built, text):
    (built / LIST_NAME).write_bytes(text)

    with pytest.raises(UsageError, match=r"bundle\.lock\.json is not "):
        read_bundle(built)


def test_a_list_without_an_end_and_one_that_blocks(built):
    (built / LIST_NAME).unlink()
    (built / LIST_NAME).symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="is a device"):
        read_bundle(built)

    (built / LIST_NAME).unlink()
    os.mkfifo(built / LIST_NAME)
    with pytest.raises(UsageError, match="is a named pipe"):
        read_bundle(built)

    (built / LIST_NAME).unlink()
    (built / LIST_NAME).write_bytes(b" " * (17 << 20))
    with pytest.raises(UsageError, match="is larger than 16,777,216 bytes"):
        read_bundle(built)


def test_files_that_are_missing_changed_or_no_files(built):
    deps = built / "deps.zip"
    data = deps.read_bytes()

    deps.write_bytes(data[:-1] + b"x")
    with pytest.raises(UsageError, match=r"deps\.zip is not the file that was built") as raised:
        read_bundle(built)
    assert hashlib.sha256(data).hexdigest() in raised.value.expected

    deps.unlink()
    with pytest.raises(UsageError, match=r"deps\.zip is missing"):
        read_bundle(built)

    os.mkfifo(deps)
    with pytest.raises(UsageError, match=r"deps\.zip is a named pipe"):
        read_bundle(built)


def test_no_build_yet(tmp_path):
    with pytest.raises(UsageError, match=r"has no bundle\.lock\.json"):
        read_bundle(tmp_path)


@pytest.mark.parametrize("option", ["venv", "deps"])
def test_an_archive_that_is_a_pipe_is_told_of_at_once(tmp_path, option):
    os.mkfifo(tmp_path / "a.zip")
    with pytest.raises(UsageError, match=r"a\.zip is a named pipe"):
        bundle_of(**{option: tmp_path / "a.zip"})


def test_a_data_archive_is_a_file(tmp_path):
    with pytest.raises(UsageError, match="is a device"):
        bundle_of(data=[Path("/dev/zero")])
    with pytest.raises(UsageError, match="does not exist"):
        bundle_of(data=[tmp_path / "none.zip"])
