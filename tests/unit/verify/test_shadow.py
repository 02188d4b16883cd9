from __future__ import annotations

from pathlib import Path

from bundler.archive.entry import text_entry
from bundler.archive.writer import write_archive
from bundler.verify.shadow import hidden_packages

SITE = "venv/lib/python3.11/site-packages"


def test_only_other_contents_under_the_same_name_hide(tmp_path: Path) -> None:
    venv = tmp_path / "venv.zip"
    write_archive(
        [
            text_entry(f"{SITE}/avro/__init__.py", "of avro"),
            text_entry(f"{SITE}/six.py", "the same"),
            text_entry(f"{SITE}/one.py", "1"),
            text_entry(f"{SITE}/google/protobuf/__init__.py", ""),
        ],
        venv,
    )
    deps = tmp_path / "deps.zip"
    write_archive(
        [
            text_entry("avro/__init__.py", "of avro-python3"),
            text_entry("six.py", "the same"),
            text_entry("one.py", "2"),
            text_entry("google/cloud/__init__.py", "new"),
            text_entry("bin/tool.py", "x"),
        ],
        deps,
    )
    assert hidden_packages(venv, deps) == ["avro", "one"]
