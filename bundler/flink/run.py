"""Running a bundle's job on a local Flink of the target's release."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from bundler.flink.client import client_run
from bundler.flink.cluster import LocalCluster
from bundler.flink.distribution import flink_distribution
from bundler.flink.java import find_java
from bundler.progress import SILENT, Progress
from bundler.services.rest import FlinkApi
from bundler.services.submit import follow_job, submit

if TYPE_CHECKING:
    from bundler.cache import Cache
    from bundler.services.model import JobBundle, JobResult


def run_local(
    bundle: JobBundle,
    cache: Cache,
    progress: Progress = SILENT,
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
    java = find_java(bundle.target, cache, progress)
    distribution = flink_distribution(bundle.target, cache, progress)
    with LocalCluster(
        distribution,
        java,
        port=port,
        slots=bundle.parallelism or 1,
        folder=logs,
        progress=progress,
    ) as cluster:
        printed = (cluster.jobmanager_output(), cluster.taskmanager_output())

        def poll() -> None:
            for output in printed:
                for line in output.lines():
                    progress.output(line)
            cluster.check()

        try:
            if Version(bundle.target.flink) >= Version("1.17"):
                return submit(
                    cluster.rest_url, bundle, progress, timeout=timeout, cache=cache, poll=poll
                )
            with progress.task("Running main() with Flink's client"):
                job_id, said = client_run(cluster, bundle)
            for line in said:
                progress.output(line)
            with FlinkApi(cluster.rest_url) as api:
                return follow_job(api, job_id, progress, timeout=timeout, poll=poll)
        finally:
            for output in printed:
                for line in output.lines(last=True):
                    progress.output(line)
