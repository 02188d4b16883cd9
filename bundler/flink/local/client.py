"""``flink run`` without its shell scripts, for releases that REST alone cannot give a job to."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from bundler.errors import JobError
from bundler.flink.configuration import flink_run_arguments
from bundler.flink.failure import job_error
from bundler.support.process import run

if TYPE_CHECKING:
    from bundler.flink.local.cluster import LocalCluster
    from bundler.flink.values import JobBundle

_FRONTEND = "org.apache.flink.client.cli.CliFrontend"


def client_run(
    cluster: LocalCluster, bundle: JobBundle, timeout: float = 600.0
) -> tuple[str, list[str]]:
    """Submit the job of ``bundle`` to ``cluster``; returns its id and what main() printed.

    The client unpacks the archives and runs main() with the interpreter of venv.zip, in the same
    bare environment as the cluster. Raises JobError if main() fails within ``timeout`` seconds,
    with the Python traceback as ``found``.
    """
    master = cluster.rest_url.removeprefix("http://")
    command = cluster.jvm.command(
        "client", _FRONTEND, *flink_run_arguments(bundle, master=master, detached=True)
    )
    bare = ["env", "-i", *(f"{key}={value}" for key, value in cluster.jvm.environment.items())]
    try:
        finished = run([*bare, *command], cwd=cluster.folder, timeout=timeout)
    except subprocess.TimeoutExpired as error:
        raise JobError(
            f"main() did not return within {timeout:g} s.",
            "Flink's client runs it before the job starts.",
            "Remove what waits for the job in main(), such as execute_sql(...).wait().",
        ) from error
    said = finished.stdout.splitlines()
    accepted = re.search(r"JobID ([0-9a-f]{32})", finished.stdout)
    if finished.returncode != 0 or accepted is None:
        raise job_error("main() failed in Flink's client", finished.stdout + finished.stderr)
    return accepted[1], [line for line in said if "JobID" not in line]
