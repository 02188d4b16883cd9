"""Submitting a PyFlink job by REST alone, to a cluster that has no Python.

``POST /jars/upload`` takes any file named ``*.jar``, and ``python.archives`` unpacks a ``.jar`` as
the zip it is. So all that the job needs is uploaded as JARs and named in ``flinkConfiguration`` of
``POST /jars/:id/run`` (Flink 1.17 and newer), whose entry class is Flink's PythonDriver. main()
then runs beside the JobManager, with the interpreter of venv.zip. Everything ends up in the
cluster's blob store, so the uploads are deleted once the job is accepted.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from packaging.version import Version

from bundler.errors import JobError, UsageError
from bundler.flink.answers import Job, Started, Uploaded, job_path
from bundler.flink.code import (
    has_pythonpath,
    names_on_path,
    python_archives,
    write_code,
    write_program,
)
from bundler.flink.configuration import flat
from bundler.flink.distribution import flink_distribution
from bundler.flink.failure import driver_output, job_error
from bundler.flink.follow import follow_job
from bundler.flink.rest import FlinkApi, RefusedError
from bundler.flink.values import JobBundle, JobResult
from bundler.session import Session
from bundler.stages.pack import CODE
from bundler.support.progress import Progress

_DRIVER = "org.apache.flink.client.python.PythonDriver"


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
    unreachable, is not Flink, is another Flink line or refuses uploads, and if the job fails: then
    ``found`` is the Python traceback, where there is one.
    """
    if Version(bundle.target.flink) < Version("1.17"):
        raise UsageError(
            f"Flink {bundle.target.flink} cannot run a PyFlink job submitted over REST.",
            "Its REST API accepts the job's configuration since 1.17.",
            "Run its own `flink run` with what `bundle config --format arguments` prints.",
        )
    progress = session.progress
    with FlinkApi(master) as api:
        _check_master(api, bundle, progress)
        job_id = _run(api, bundle, session, timeout or 600.0)
        progress.note(f"Job {job_id} accepted by {api.url}.")
        if detached:
            return JobResult(job_id, api.get(job_path(job_id), Job).state, api.url)
        return follow_job(
            api, job_id, progress, until_running=not follow, timeout=timeout, poll=poll
        )


def _check_master(api: FlinkApi, bundle: JobBundle, progress: Progress) -> None:
    dashboard = api.dashboard()
    version, target = dashboard.version, bundle.target
    if version.split(".")[:2] != target.flink.split(".")[:2]:
        raise JobError(
            f"The master at {api.url} is Flink {version}.",
            f"The bundle was built for Flink {target.flink}, whose PyFlink only works with "
            f"{target.line.line}.",
            f"Build for that release (--flink {version} or target.flink), or change --master.",
        )
    if version != target.flink:
        progress.warn(f"The master is Flink {version}, the bundle was built for {target.flink}.")
    if not dashboard.features.web_submit:
        raise JobError(
            f"The master at {api.url} does not accept uploads: web.submit.enable is false.",
            "Submitting over REST uploads the archives.",
            "Enable it there, or use `flink run` with what `bundle config` prints.",
        )


def _run(api: FlinkApi, bundle: JobBundle, session: Session, timeout: float) -> str:
    progress = session.progress
    python_jar = flink_distribution(bundle.target, session).python_jar
    uploaded: dict[str, Uploaded] = {}
    with contextlib.ExitStack() as stack:
        stack.callback(_remove, api, uploaded, progress)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bundle-submit-")))
        code = folder / f"{CODE}.zip"
        archives = _archives(bundle)
        module = write_code(bundle, code)
        driver = write_program(python_jar, bundle, folder)
        files = [driver, code, *archives.values()]
        for file in dict.fromkeys(files):
            with progress.task(f"Uploading {file.name}", file.stat().st_size, "B") as task:
                try:
                    uploaded[str(file)] = api.upload(file, _as_jar(file), task)
                except RefusedError as error:
                    raise job_error(
                        f"The master at {api.url} refused {file.name} (HTTP {error.status})",
                        error.text,
                        "Check web.submit.enable, the upload limits of proxies, and its disk.",
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
                run = f"{uploaded[str(driver)].path}/run"
                return api.post(run, body, Started, timeout).job_id
            except RefusedError as error:
                printed = driver_output(api.tail("/jobmanager/log"))
                text = error.text if "Traceback" in error.text else f"{error.text}\n{printed}"
                raise job_error(f"main() of {module} failed", text) from error


def rest_configuration(
    bundle: JobBundle, code: Path, uploaded: Mapping[str, Uploaded]
) -> dict[str, str]:
    """The job's options, where ``uploaded`` maps local paths to the JARs on the master.

    Each archive keeps its name through ``path#name``. deps.zip goes with the archives too, and on
    the path by ``python.pythonpath``: what runs main() unpacks ``python.files`` only if they are
    named ``.zip``. 1.17 lacks that option; there the code is a ``python.files`` of its own, whose
    ``sitecustomize`` extends the path.
    """
    archives = _archives(bundle) | {CODE: code}
    configuration: dict[str, object] = {
        "python.archives": ",".join(
            f"{uploaded[str(path)].filename}#{name}" for name, path in archives.items()
        ),
        **(
            {"python.pythonpath": ":".join(names_on_path(bundle))}
            if has_pythonpath(bundle)
            else {"python.files": uploaded[str(code)].filename}
        ),
        "python.executable": bundle.python_executable,
        "python.client.executable": bundle.python_executable,
    }
    return {key: flat(value) for key, value in (configuration | dict(bundle.configuration)).items()}


def _archives(bundle: JobBundle) -> dict[str, Path]:
    archives: dict[str, Path] = {}
    for path in (bundle.venv, *bundle.data, *python_archives(bundle)):
        if path is None:
            continue
        if re.search(r"[,#:;\\]", path.name) or not path.name.isprintable():
            raise UsageError(
                f"{str(path)!r} cannot be the name of an archive for Flink.",
                "Expected a name without , # : ; backslashes and control characters: Flink splits "
                "lists and paths at them.",
                "Rename the file.",
            )
        if path.name == CODE:
            raise UsageError(
                f"{path} cannot be named {CODE}.",
                "The workers keep the job's own code under that name.",
                "Rename the file.",
            )
        if path.name in archives:
            raise UsageError(
                f"Two archives are named {path.name}: {archives[path.name]} and {path}.",
                "The workers unpack each into a folder of its name.",
                "Rename one of them.",
            )
        archives[path.name] = path
    return archives


def _as_jar(file: Path) -> str:
    return file.name if file.suffix == ".jar" else f"{file.stem}.jar"


def _remove(api: FlinkApi, uploaded: Mapping[str, Uploaded], progress: Progress) -> None:
    left = dict(uploaded)
    for name, jar in uploaded.items():
        try:
            api.delete(jar.path)
            del left[name]
        except RefusedError:
            continue
        except JobError:
            break  # it would not answer the others either, and each would be waited for
    if left:
        names = ", ".join(Path(name).name for name in left)
        progress.warn(f"These uploads could not be deleted on {api.url}: {names}.")
