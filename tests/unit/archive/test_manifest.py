from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from bundler.archive.entry import MANIFEST_NAME, text_entry
from bundler.archive.manifest import read_deps_manifest, read_venv_manifest
from bundler.archive.read import zip_entries
from bundler.archive.writer import write_archive
from bundler.errors import UsageError

VENV: dict[str, Any] = {
    "kind": "venv",
    "target": {"flink": "2.2.1", "python": "3.11", "platform": "manylinux2014_x86_64"},
    "packages": {"six": "1.16.0", "Zope.Interface": "5.0+local.1"},
    "slim": ["bytecode", "tests"],
    "base": "standalone",
    "python": "3.11.7",
    "executable": "venv/bin/python3.11",
    "glibc": "2.17",
}


def with_manifest(path: Path, manifest: bytes | str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST_NAME, manifest)
    return path


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    made = write_archive([text_entry("a", "a")], tmp_path / "venv.zip", manifest=VENV)
    manifest = read_venv_manifest(made.path)
    assert manifest.target.target.describe() == "Flink 2.2.1, Python 3.11, manylinux2014_x86_64"
    assert manifest.packages == {"six": "1.16.0", "zope-interface": "5.0+local.1"}
    assert (manifest.python, manifest.executable) == ("3.11.7", "venv/bin/python3.11")
    assert [entry.name for entry in zip_entries(made.path)] == ["a"]


def test_an_archive_of_another_kind_is_called_by_its_kind(tmp_path: Path) -> None:
    made = write_archive([], tmp_path / "venv.zip", manifest=VENV)
    with pytest.raises(UsageError, match=r"is a venv archive"):
        read_deps_manifest(made.path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"packages": {"six\n--index-url http://127.0.0.1:9/simple": "1.0"}},
            "the name of a package",
        ),
        ({"packages": {"-r": "1.0"}}, "is not a possible name"),
        ({"packages": {"six": "1.0\n--pre"}}, "the version of a release"),
        ({"packages": {"six": "1.0\n"}}, "without spaces around it"),
        ({"packages": {"six": "1.0; extra"}}, "the version of a release"),
        ({"packages": {"six": 1}}, "packages.six is 1; expected text in quotes"),
        ({"packages": ["six"]}, "packages"),
        (
            {"executable": "venv/bin/python\npython.pythonpath: /tmp"},
            "expected a path in the archive",
        ),
        ({"executable": "../python"}, "expected a path in the archive"),
        ({"executable": "venv/bin/py thon"}, "expected a path in the archive"),
        ({"python": "3.10.1\n"}, "without spaces around it"),
        ({"target": {"flink": "2.2.1", "python": "3.11"}}, "target.platform is missing"),
        (
            {"target": {"flink": "x", "python": "3.11", "platform": "y"}},
            "expected a possible target (Flink x is not",
        ),
        ({"target": None}, "target"),
        ({"more": 1}, "more is not a known key"),
        ({"slim": ["--quiet"]}, "slim"),
    ],
)
def test_nothing_passes_but_what_it_is_said_to_be(
    tmp_path: Path, change: dict[str, Any], problem: str
) -> None:
    path = with_manifest(tmp_path / "venv.zip", json.dumps({**VENV, **change}))
    with pytest.raises(UsageError) as caught:
        read_venv_manifest(path)
    assert "was not made by bundle: its bundle-manifest.json is damaged" in caught.value.found
    assert problem in caught.value.found
    assert caught.value.found.isprintable()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"kind": 1}',
        b'{"kind": "venv"}',
        b"\xff\xfe{}",
        b'{"kind": "venv", "a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"kind": "venv", "packages": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}",
    ],
)
def test_damaged_and_deeply_nested_manifests_are_refused(tmp_path: Path, data: bytes) -> None:
    path = with_manifest(tmp_path / "venv.zip", data)
    with pytest.raises(UsageError, match="is damaged"):
        read_venv_manifest(path)


def test_a_manifest_that_inflates_to_more_than_any_is_refused(tmp_path: Path) -> None:
    path = with_manifest(tmp_path / "venv.zip", b" " * (5 << 20))
    with pytest.raises(UsageError, match="more than 4,194,304 bytes"):
        read_venv_manifest(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    foreign, fifo = tmp_path / "foreign.zip", tmp_path / "fifo.zip"
    with zipfile.ZipFile(foreign, "w") as archive:
        archive.writestr("a", "a")
    os.mkfifo(fifo)
    for path in (foreign, fifo, tmp_path / "none.zip", tmp_path, Path(__file__), Path("/dev/zero")):
        with pytest.raises(UsageError):
            read_venv_manifest(path)
