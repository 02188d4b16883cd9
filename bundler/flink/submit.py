"""Submitting a PyFlink job by REST alone, to a cluster that has no Python.

``POST /jars/upload`` takes any file named ``*.jar``, and ``python.archives`` unpacks a ``.jar`` as
the zip it is. So all that the job needs is uploaded as JARs and named in ``flinkConfiguration`` of
``POST /jars/:id/run`` (Flink 1.17 and newer), whose entry class is Flink's PythonDriver. main()
then runs beside the JobManager, with the interpreter of venv.zip. Everything ends up in the
cluster's blob store, so the uploads are deleted once the job is accepted.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.version import Version

from bundler.archive.entry import Entry, text_entry
from bundler.archive.merge import merge
from bundler.archive.read import tree_entries
from bundler.archive.writer import write_archive
from bundler.errors import JobError, UsageError
from bundler.flink.configuration import flat
from bundler.flink.distribution import flink_distribution
from bundler.flink.failure import driver_output, java_cause, job_error, python_traceback
from bundler.flink.model import JobBundle, JobResult
from bundler.flink.rest import FlinkApi, RefusedError
from bundler.session import Session
from bundler.stages.pack import CODE
from bundler.support.progress import SILENT, Progress

_DRIVER = "org.apache.flink.client.python.PythonDriver"
_ENDED = {"FINISHED", "FAILED", "CANCELED", "SUSPENDED"}
_POLL_SECONDS = 0.25

# Python starts in the folder that the archives are unpacked in, for main() and in the workers.
_EXTEND_PATH = """\
import os, sys
sys.path[:0] = [os.path.abspath(name) for name in {} if os.path.isdir(name)]
"""


def submit(
    master: str,
    bundle: JobBundle,
    session: Session,
    *,
    follow: bool = True,
    detached: bool = False,
    timeout: float | None = None,
    poll: Callable[[], None] = lambda: None,
) -> JobResult:
    """Run the job of ``bundle`` on the Flink whose REST API is at ``master``.

    Returns when the job has ended; with ``follow=False`` when all its tasks run; with
    ``detached`` as soon as it is accepted. ``timeout`` bounds that wait in seconds. ``poll`` is
    called several times a second meanwhile. Leaving early (Ctrl-C) leaves the job running.

    Raises UsageError for a bad address or a bundle without a job; JobError if the master is
    unreachable, no Flink, another Flink line, or refuses uploads, and if the job fails: then
    ``found`` is the Python traceback, where there is one.
    """
    if Version(bundle.target.flink) < Version("1.17"):
        raise UsageError(
            f"Flink {bundle.target.flink} cannot be given a PyFlink job by REST alone.",
            "Its REST API takes the job's configuration from 1.17 on.",
            "Paste the arguments that `bundle config` prints into its own `flink run`.",
        )
    progress = session.progress
    with FlinkApi(master) as api:
        _check_master(api, bundle, progress)
        job_id = _run(api, bundle, session, timeout or 600.0)
        progress.note(f"Job {job_id} accepted by {api.url}.")
        if detached:
            return JobResult(job_id, _state(api, job_id), api.url)
        return follow_job(
            api, job_id, progress, until_running=not follow, timeout=timeout, poll=poll
        )


def cancel(master: str, job_id: str) -> None:
    """Ask the Flink at ``master`` to cancel a job. Raises JobError if it has none of that id."""
    with FlinkApi(master) as api:
        try:
            api.patch(f"/jobs/{job_id}?mode=cancel")
        except RefusedError as error:
            raise job_error(f"Job {job_id} cannot be cancelled", error.text) from error


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
            job = api.get(f"/jobs/{job_id}")
            state = str(job["state"])
            tasks = [str(vertex["status"]) for vertex in job.get("vertices", ())]
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
                    f"It goes on: see {api.url}, or allow more time.",
                )
            time.sleep(_POLL_SECONDS)


def _check_master(api: FlinkApi, bundle: JobBundle, progress: Progress) -> None:
    config = api.config()
    version = str(config["flink-version"])
    target = bundle.target
    if version.split(".")[:2] != target.flink.split(".")[:2]:
        raise JobError(
            f"The master at {api.url} is Flink {version}.",
            f"The bundle was built for Flink {target.flink}, whose PyFlink only works with "
            f"{target.line.line}.",
            f"Build for it: --flink {version}, or submit to another master.",
        )
    if version != target.flink:
        progress.warn(f"The master is Flink {version}, the bundle was built for {target.flink}.")
    if config.get("features", {}).get("web-submit") is False:
        raise JobError(
            f"The master at {api.url} takes no uploads: web.submit.enable is false.",
            "Submitting by REST needs it.",
            "Ask for it to be enabled, or use `flink run` with what `bundle config` prints.",
        )


def _run(api: FlinkApi, bundle: JobBundle, session: Session, timeout: float) -> str:
    progress = session.progress
    python_jar = flink_distribution(bundle.target, session).python_jar
    uploaded: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        stack.callback(_remove, api, uploaded, progress)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bundle-submit-")))
        code = folder / f"{CODE}.zip"
        module = write_code(bundle, code)
        driver = write_program(python_jar, bundle, folder)
        files = [driver, code, *_archives(bundle).values()]
        for file in dict.fromkeys(files):
            with progress.task(f"Uploading {file.name}", file.stat().st_size, "B") as task:
                try:
                    uploaded[str(file)] = api.upload(file, _as_jar(file), task)
                except RefusedError as error:
                    raise job_error(
                        f"The master at {api.url} refused {file.name} (HTTP {error.status})",
                        error.text,
                        "See web.submit.enable, the limits of a proxy in between, and its disk.",
                    ) from error
        body: dict[str, Any] = {
            "entryClass": _DRIVER,
            "programArgsList": ["-pym", module, *bundle.arguments],
            "flinkConfiguration": rest_configuration(bundle, code, uploaded),
        }
        if bundle.parallelism is not None:
            body["parallelism"] = bundle.parallelism
        with progress.task(f"Starting {module} on {api.url}"):
            try:
                answer = api.post(f"/jars/{_jar_id(uploaded[str(driver)])}/run", body, timeout)
            except RefusedError as error:
                printed = driver_output(api.tail("/jobmanager/log"))
                text = error.text if "Traceback" in error.text else f"{error.text}\n{printed}"
                raise job_error(f"main() of {module} failed", text) from error
    return str(answer["jobid"])


def rest_configuration(
    bundle: JobBundle, code: Path, uploaded: Mapping[str, str]
) -> dict[str, str]:
    """The job's options, where ``uploaded`` maps local paths to those on the master.

    Each archive keeps its name through ``path#name``. deps.zip goes with the archives too, and on
    the path by ``python.pythonpath``: what runs main() unpacks ``python.files`` only if they are
    named ``.zip``. 1.17 lacks that option; there the code is a ``python.files`` of its own, whose
    ``sitecustomize`` extends the path.
    """
    archives = _archives(bundle) | {CODE: code}
    configuration: dict[str, object] = {
        "python.archives": ",".join(
            f"{uploaded[str(path)]}#{name}" for name, path in archives.items()
        ),
        **(
            {"python.pythonpath": ":".join(_on_path(bundle))}
            if _has_pythonpath(bundle)
            else {"python.files": uploaded[str(code)]}
        ),
        "python.executable": bundle.python_executable,
        "python.client.executable": bundle.python_executable,
    }
    return {key: flat(value) for key, value in (configuration | dict(bundle.configuration)).items()}


def _has_pythonpath(bundle: JobBundle) -> bool:
    return Version(bundle.target.flink) >= Version("1.18")


def _on_path(bundle: JobBundle) -> list[str]:
    return [CODE, *(path.name for path in _python_archives(bundle))]


def _python_archives(bundle: JobBundle) -> Iterator[Path]:
    if bundle.deps is not None:
        yield bundle.deps
    yield from (path for path in bundle.files if path.suffix == ".zip")


def _archives(bundle: JobBundle) -> dict[str, Path]:
    archives: dict[str, Path] = {}
    for path in (bundle.venv, *bundle.data, *_python_archives(bundle)):
        if path is None:
            continue
        if path.name in archives:
            raise UsageError(
                f"Two archives are named {path.name}: {archives[path.name]} and {path}.",
                "The workers unpack each into a folder of its name.",
                "Rename one of them.",
            )
        archives[path.name] = path
    return archives


def write_code(bundle: JobBundle, place: Path) -> str:
    """Put the job's own Python files into a zip; returns the name of the module to run.

    Raises UsageError if one is missing or there is no job, BuildError if two have one name.
    """
    files = [path for path in bundle.files if path.suffix != ".zip"]
    if bundle.script is not None:
        files.append(bundle.script)
        module = bundle.script.stem
        if not module.isidentifier():
            raise UsageError(
                f"{bundle.script.name} cannot be run by REST: its name is not a module's.",
                "Expected letters, digits and underscores before .py.",
                "Rename the script.",
            )
    elif bundle.module is not None:
        module = bundle.module
    else:
        raise UsageError(
            "The bundle has no job to run.",
            "Expected a script or a module.",
            "Set job.script or job.module in bundle.toml, or give --script.",
        )
    groups: list[list[Entry]] = []
    if not _has_pythonpath(bundle):
        code = _EXTEND_PATH.format(_on_path(bundle))
        groups.append([text_entry("sitecustomize.py", code, owner="flink-bundler")])
    for path in dict.fromkeys(file.absolute() for file in files):
        if not path.exists():
            raise UsageError(
                f"{path} does not exist.",
                "Expected the job's script, or a Python file or package that it imports.",
                "Correct job.script or job.files.",
            )
        groups.append(tree_entries(path, path.name, str(path)))
    write_archive([entry for entry in merge(groups) if "__pycache__/" not in entry.name], place)
    return module


def write_program(python_jar: Path, bundle: JobBundle, folder: Path) -> Path:
    """The program to upload: Flink's Python JAR, or a JAR with it and the job's own in lib/.

    Flink puts the JARs within a program's lib/ on the class path of main() and of the tasks.
    ``pipeline.jars`` reaches the tasks alone: main() then finds no connector.
    """
    if not bundle.jars:
        return python_jar
    program = folder / "job-program.jar"
    with zipfile.ZipFile(program, "w", strict_timestamps=False) as archive:
        archive.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n\n")
        for path in (python_jar, *(jar.path for jar in bundle.jars)):
            archive.write(path, f"lib/{path.name}")
    return program


def _as_jar(file: Path) -> str:
    return file.name if file.suffix == ".jar" else f"{file.stem}.jar"


def _jar_id(place: str) -> str:
    return place.rpartition("/")[2]


def _remove(api: FlinkApi, uploaded: Mapping[str, str], progress: Progress) -> None:
    for place in uploaded.values():
        try:
            api.delete(f"/jars/{_jar_id(place)}")
        except JobError as error:
            progress.warn(f"The upload {_jar_id(place)} stays on {api.url}: {error.found}")


def _state(api: FlinkApi, job_id: str) -> str:
    return str(api.get(f"/jobs/{job_id}")["state"])


def _failures(api: FlinkApi, job_id: str) -> list[str]:
    """The stack traces of the job's failures, the newest first."""
    history = api.get(f"/jobs/{job_id}/exceptions").get("exceptionHistory", {})
    return [str(entry.get("stacktrace", "")) for entry in history.get("entries", ())]


def _failed(api: FlinkApi, job_id: str, state: str) -> JobError:
    if state == "FAILED":
        failures = _failures(api, job_id)
        return job_error(f"Job {job_id} failed", failures[0] if failures else "")
    return JobError(f"Job {job_id} ended as {state}.", "Expected it to finish.")


def _in_one_line(text: str) -> str:
    return (python_traceback(text).splitlines() or [java_cause(text)])[-1]
