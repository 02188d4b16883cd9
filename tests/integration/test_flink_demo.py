"""What `make demo` does: build the example, run it on a Flink that has no Python."""

from __future__ import annotations

import pytest

from tests.support.opencv_rows import assert_right

pytestmark = [pytest.mark.flink, pytest.mark.network]


def test_the_job_runs_on_what_the_archives_hold(example, bundle_command, nothing_left):
    finished = bundle_command("run", cwd=example.folder, env=nothing_left)

    assert_right(finished.stdout.splitlines(), "3.11")
