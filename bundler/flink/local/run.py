"""Running a bundle's job on a local Flink of the target's release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from bundler.flink.distribution import flink_distribution
from bundler.flink.follow import follow_job
from bundler.flink.local.client import client_run
from bundler.flink.local.cluster import LocalCluster
from bundler.flink.local.cluster_options import ClusterOptions
from bundler.flink.local.java import find_java
from bundler.flink.rest import FlinkApi
from bundler.flink.submit import submit
from bundler.session import Session

if TYPE_CHECKING:
    from bundler.flink.values import JobBundle, JobResult


def run_local(
    bundle: JobBundle,
    session: Session,
    *,
    port: int | None = None,
    timeout: float | None = None,
    logs: Path | None = None,
) -> JobResult:
    """Start a Flink, run the job to its end, pass on what it prints, and stop Flink.

    ``port`` is that of the REST API (default: a free one), ``timeout`` the seconds the job may
    take, ``logs`` a folder to keep Flink's configuration and logs in. The job is submitted as to a
    managed cluster: by REST, or before Flink 1.17 with Flink's client.

    Raises UsageError if the port is taken, JobError if Flink does not start or the job fails.
    """
    java = find_java(bundle.target, session)
    distribution = flink_distribution(bundle.target, session)
    options = ClusterOptions(port=port, slots=bundle.parallelism or 1, folder=logs)
    with LocalCluster(distribution, java, options, session.progress) as cluster:
        printed = (cluster.jobmanager_output(), cluster.taskmanager_output())

        def poll() -> None:
            for output in printed:
                for line in output.lines():
                    session.progress.output(line)
            cluster.check()

        try:
            if Version(bundle.target.flink) >= Version("1.17"):
                return submit(cluster.rest_url, bundle, session, timeout=timeout, poll=poll)
            with session.progress.task("Running main() with Flink's client"):
                job_id, said = client_run(cluster, bundle)
            for line in said:
                session.progress.output(line)
            with FlinkApi(cluster.rest_url) as api:
                return follow_job(api, job_id, session.progress, timeout=timeout, poll=poll)
        finally:
            for output in printed:
                for line in output.rest():
                    session.progress.output(line)
