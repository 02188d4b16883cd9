"""Following a job that a Flink accepted, until it runs or has ended."""

from __future__ import annotations

import time
from collections.abc import Callable

from bundler.errors import JobError
from bundler.flink.answers import Exceptions, Job, job_path
from bundler.flink.failure import java_cause, job_error, python_traceback
from bundler.flink.rest import FlinkApi
from bundler.flink.values import JobResult
from bundler.support.progress import SILENT, Progress

_ENDED = {"FINISHED", "FAILED", "CANCELED", "SUSPENDED"}
_POLL_SECONDS = 0.25


def follow_job(
    api: FlinkApi,
    job_id: str,
    progress: Progress = SILENT,
    *,
    until_running: bool = False,
    timeout: float | None = None,
    poll: Callable[[], None] = lambda: None,
) -> JobResult:
    """Wait until the job has ended, or until all its tasks run.

    Raises JobError if it fails, is cancelled, or takes longer than ``timeout`` seconds; waiting
    for it to run, also on its first failure, although Flink may restart it.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    restarts = 0
    with progress.task(f"Job {job_id}") as task:
        while True:
            poll()
            job = api.get(job_path(job_id), Job)
            state, tasks = job.state, [vertex.status for vertex in job.vertices]
            task.describe(f"Job {job_id}: {state}")
            if state in _ENDED:
                poll()
                if state == "FINISHED":
                    return JobResult(job_id, state, api.url)
                raise _failed(api, job_id, state)
            failures = _failures(api, job_id)
            if len(failures) > restarts:
                if until_running:
                    raise job_error(f"Job {job_id} fails and is restarted", failures[0])
                restarts = len(failures)
                progress.warn(f"Job {job_id} failed and is restarted: {_in_one_line(failures[0])}")
            if until_running and tasks and set(tasks) <= {"RUNNING", "FINISHED"}:
                return JobResult(job_id, state, api.url)
            if deadline is not None and time.monotonic() > deadline:
                raise JobError(
                    f"Job {job_id} is {state} after {timeout:g} s.",
                    f"Waited for it to {'run' if until_running else 'end'}; its tasks: "
                    f"{', '.join(tasks) or 'none yet'}.",
                    f"The job is still running; see {api.url}, or raise --timeout.",
                )
            time.sleep(_POLL_SECONDS)


def _failures(api: FlinkApi, job_id: str) -> list[str]:
    """The stack traces of the job's failures, the newest first."""
    history = api.get(f"{job_path(job_id)}/exceptions", Exceptions).history
    return [api.hide(entry.stacktrace) for entry in history.entries]


def _failed(api: FlinkApi, job_id: str, state: str) -> JobError:
    if state == "FAILED":
        failures = _failures(api, job_id)
        return job_error(f"Job {job_id} failed", failures[0] if failures else "")
    return JobError(f"Job {job_id} ended as {state}.", "Expected it to finish.")


def _in_one_line(text: str) -> str:
    return (python_traceback(text).splitlines() or [java_cause(text)])[-1][:500]
