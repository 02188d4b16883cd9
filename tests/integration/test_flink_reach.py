"""How deps.zip, with a compiled package in it, reaches main() and the workers.

The two ways and what they cost are in docs/explanation/how-dependencies-reach-workers.md.
"""

from __future__ import annotations

import pytest

from bundler.flink.follow import follow_job
from bundler.flink.local.client import client_run
from bundler.flink.rest import FlinkApi
from bundler.flink.submit import submit
from bundler.session import Session
from tests.support.opencv_rows import assert_right

pytestmark = [pytest.mark.flink, pytest.mark.network]


@pytest.fixture(scope="module", params=["2.2.1", "1.20.5"])
def built(request, build_example):
    return build_example(request.param, "3.11")


@pytest.fixture(scope="module")
def cluster(built, start_cluster):
    with start_cluster(built.target.flink) as cluster:
        yield cluster


def test_by_python_files_from_the_client(built, cluster):
    output = cluster.taskmanager_output()

    job_id, _ = client_run(cluster, built.bundle())
    with FlinkApi(cluster.rest_url) as api:
        follow_job(api, job_id, timeout=240)

    lines = list(output.rest())
    assert_right(lines, "3.11")
    assert all("/python-files/" in line for line in lines if line.startswith("+I["))


def test_by_archives_and_pythonpath_through_rest(built, cluster, cache):
    output = cluster.taskmanager_output()
    output.lines()

    submit(cluster.rest_url, built.bundle(), Session(cache), timeout=240)

    lines = list(output.rest())
    assert_right(lines, "3.11")
    assert all("/python-files/" not in line for line in lines if line.startswith("+I["))
