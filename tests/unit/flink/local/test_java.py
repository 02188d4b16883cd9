from __future__ import annotations

import pytest

from bundler.errors import JobError
from bundler.flink.local.java import find_java, java_version
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.target import Target


def make_java(home, version):
    (home / "bin").mkdir(parents=True)
    java = home / "bin" / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    java.chmod(0o755)
    return home


@pytest.mark.parametrize(
    ("said", "version"), [("1.8.0_402", 8), ("11.0.13", 11), ("17", 17), ("21.0.1", 21)]
)
def test_versions_are_read(tmp_path, said, version):
    assert java_version(make_java(tmp_path / "java", said)) == version


def test_what_does_not_start_has_no_version(tmp_path):
    assert java_version(tmp_path) is None


def test_java_home_comes_before_the_path(tmp_path, monkeypatch):
    named = make_java(tmp_path / "named", "17.0.1")
    on_path = make_java(tmp_path / "path", "21.0.1")
    monkeypatch.setenv("JAVA_HOME", str(named))
    monkeypatch.setenv("PATH", f"{on_path / 'bin'}:/usr/bin:/bin")
    target = Target.parse(flink="2.2.1")

    assert find_java(target, Session(Cache(tmp_path / "cache"))) == named

    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    assert find_java(target, Session(Cache(tmp_path / "cache"))) == on_path


def test_without_any_the_error_says_what_was_found(tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(make_java(tmp_path / "named", "21.0.1")))
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "no-index").as_uri())
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)

    with pytest.raises(JobError) as raised:
        find_java(Target.parse(flink="1.16.3"), Session(Cache(tmp_path / "cache")))

    assert "JAVA_HOME: Java 21" in raised.value.found
    assert raised.value.expected == "Flink 1.16 runs on Java 8 or 11."
