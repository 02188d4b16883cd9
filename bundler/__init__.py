"""Archives for PyFlink jobs: built from locks and wheels, checked, configured and submitted.

What the command `bundle` does, as functions; it calls the same ones::

    import bundler

    project = bundler.load_project("examples/opencv")
    result = bundler.build(project)
    job = bundler.job_of(project, result.bundle)
    print(bundler.configuration(job).text)
    bundler.submit(job, "http://localhost:8081")

Every function takes a `Session`: the cache, the receiver of progress, and whether the network may
be used. Without one, the user's cache is used and nothing is reported. Results are frozen values;
sizes are bytes, times are seconds, hashes are SHA-256 in hexadecimal. All errors are `BundlerError`
or below: each says what was ``found``, what was ``expected``, and the ``remedy``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike
    from typing import Any

    from bundler.errors import (
        BuildError,
        BundlerError,
        FetchError,
        JobError,
        ResolutionError,
        UsageError,
        VerificationError,
    )
    from bundler.flink.configuration import Configuration
    from bundler.flink.values import JobBundle, JobResult
    from bundler.jars.listing import JarFile
    from bundler.lock.changes import LockChanges
    from bundler.lock.policy import LockPolicy
    from bundler.project.tables import Project
    from bundler.session import Session
    from bundler.stages.bundle import Bundle
    from bundler.stages.make import BuildResult
    from bundler.stages.pack import Packed
    from bundler.stages.request import VenvContents
    from bundler.target import Target

    StrPath = str | PathLike[str]

__version__ = "0.1.0"

__all__ = [
    "BuildError",
    "BuildResult",
    "Bundle",
    "BundlerError",
    "Configuration",
    "FetchError",
    "JarFile",
    "JobBundle",
    "JobError",
    "JobResult",
    "LockChanges",
    "Packed",
    "Project",
    "ResolutionError",
    "Session",
    "Target",
    "UsageError",
    "VenvContents",
    "VerificationError",
    "add",
    "build",
    "build_data",
    "build_deps",
    "build_venv",
    "bundle_of_files",
    "configuration",
    "job_of",
    "load_bundle",
    "load_project",
    "read_venv",
    "remove",
    "run",
    "submit",
    "update_locks",
]

_HOMES = {
    "bundler.errors": (
        "BuildError BundlerError FetchError JobError ResolutionError UsageError VerificationError"
    ),
    "bundler.flink.configuration": "Configuration",
    "bundler.flink.values": "JobBundle JobResult",
    "bundler.jars.listing": "JarFile",
    "bundler.lock.changes": "LockChanges",
    "bundler.project.tables": "Project",
    "bundler.session": "Session",
    "bundler.stages.bundle": "Bundle",
    "bundler.stages.make": "BuildResult",
    "bundler.stages.pack": "Packed",
    "bundler.stages.request": "VenvContents",
    "bundler.target": "Target",
}


if not TYPE_CHECKING:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> Any:
        # The types are loaded when they are asked for: `bundle --help` needs none of them.
        for home, names in _HOMES.items():
            if name in names.split():
                from importlib import import_module

                return getattr(import_module(home), name)
        raise AttributeError(f"module 'bundler' has no attribute '{name}'")


def load_project(path: StrPath = ".", *, required: bool = False) -> Project:
    """The project in the folder ``path``: its bundle.toml, or ``[tool.bundle]`` of pyproject.toml.

    ``path`` may also be that file. Without either the project is empty, unless one is
    ``required``. Nothing is written and nothing fetched.

    Raises UsageError naming the file, the key and what to change.

    Example:
        >>> import bundler, pathlib
        >>> lines = ["[target]", 'flink = "2.2.1"', "[deps]", 'packages = ["humanize"]']
        >>> _ = pathlib.Path("bundle.toml").write_text("\\n".join(lines))
        >>> project = bundler.load_project()
        >>> project.tables.target.flink, project.tables.deps.packages
        ('2.2.1', ('humanize',))
    """
    from pathlib import Path

    from bundler.project.tables import find_project

    return find_project(Path(path), required=required)


def build(
    project: Project,
    folder: StrPath | None = None,
    *,
    session: Session | None = None,
    locks: LockPolicy = "keep",
    check: bool = True,
) -> BuildResult:
    """Build all that ``project`` describes into ``folder`` (``dist`` of the project by default).

    Written are venv.zip, deps.zip, an archive for each data table, copies of the JARs, and
    ``bundle.lock.json``, which lists them. ``locks`` says how the project's locks are treated:
    ``keep`` writes missing ones and refuses stale ones, ``fit`` uses those that fit and writes
    none, ``renew`` resolves again. With ``check`` each archive is unpacked and imported if this
    machine can run the target.

    Raises UsageError for a wrong project, ResolutionError if there is no solution or a lock is
    stale, FetchError, BuildError, and VerificationError if something would not work on the target.

    Example:
        >>> import bundler
        >>> project = bundler.load_project().overridden(deps={"packages": ["humanize"]})
        >>> result = bundler.build(project, "dist")
        >>> [item.kind for item in result.archives]
        ['deps']
        >>> result.bundle.deps.name
        'deps.zip'
    """
    from pathlib import Path

    from bundler.stages.make import make_bundle
    from bundler.stages.request import BuildRequest

    request = BuildRequest(project, _session(session), locks, check)
    return make_bundle(request, Path(folder) if folder is not None else project.folder / "dist")


def build_venv(
    project: Project,
    out: StrPath = "venv.zip",
    *,
    session: Session | None = None,
    check: bool = True,
) -> Packed:
    """Build venv.zip at ``out``: a relocatable Python with PyFlink and the ``[venv]`` packages.

    A lock of the project is used if it fits, and none is written. Raises as `build`.

    Example:
        >>> import bundler
        >>> project = bundler.load_project().overridden(target={"python": "3.11"})
        >>> bundler.build_venv(project, "venv.zip").executable  # doctest: +SKIP
        'venv.zip/venv/bin/python3.11'
    """
    from pathlib import Path

    from bundler.stages.make import check_archives_of, make_venv
    from bundler.stages.request import BuildRequest

    request = BuildRequest(project, _session(session), check=check)
    packed = make_venv(request, Path(out))
    check_archives_of(request, [packed])
    return packed


def build_deps(
    project: Project,
    out: StrPath = "deps.zip",
    *,
    venv: StrPath | None = None,
    session: Session | None = None,
    check: bool = True,
    trust: bool = False,
) -> Packed:
    """Build deps.zip at ``out``: the packages of ``[deps]``, without those that ``venv`` holds.

    ``venv`` is a venv.zip; its versions are fixed for the resolution. A lock of the project is
    used if it fits, and none is written. The check runs the Python in ``venv`` only if ``venv`` was
    made on this machine, or with ``trust``. Raises as `build`.

    Example:
        >>> import bundler
        >>> project = bundler.load_project().overridden(deps={"packages": ["humanize"]})
        >>> sorted(bundler.build_deps(project, "deps.zip").packages)
        ['humanize']
    """
    from pathlib import Path

    from bundler.stages.make import check_archives_of, make_deps
    from bundler.stages.request import BuildRequest, VenvContents

    request = BuildRequest(project, _session(session), check=check)
    beside = Path(venv) if venv is not None else None
    held = read_venv(beside) if beside is not None else VenvContents()
    packed = make_deps(request, Path(out), held)
    check_archives_of(request, [packed], beside, trust=trust)
    return packed


def build_data(
    paths: Sequence[StrPath], out: StrPath = "data.zip", *, session: Session | None = None
) -> Packed:
    """Build a data archive at ``out``: each file or folder of ``paths`` at its root.

    Raises UsageError if a path does not exist or holds ``out``, BuildError if two have one name.

    Example:
        >>> import bundler, pathlib
        >>> _ = pathlib.Path("words.txt").write_text("one two")
        >>> packed = bundler.build_data(["words.txt"], "data.zip")
        >>> packed.kind, packed.archive.entries  # with the manifest
        ('data', 2)
    """
    from pathlib import Path

    from bundler.stages.pack import pack_data

    progress = _session(session).progress
    return pack_data([Path(path) for path in paths], Path(out), progress=progress)


def update_locks(
    project: Project,
    *,
    upgrade: bool = False,
    upgrade_packages: Sequence[str] = (),
    check: bool = False,
    session: Session | None = None,
) -> tuple[LockChanges, ...]:
    """Resolve the requirements of ``project`` and write its locks; returns what changed in each.

    Versions that are locked and still fit are kept, but for those of ``upgrade_packages``, or all
    with ``upgrade``. With ``check`` nothing is resolved or written.

    Raises ResolutionError if there is no solution or, with ``check``, if a lock is missing or does
    not fit the requirements.

    Example:
        >>> import bundler
        >>> project = bundler.load_project().overridden(deps={"packages": ["humanize"]})
        >>> [changes.path.name for changes in bundler.update_locks(project)]
        ['pylock.deps.toml']
    """
    from packaging.utils import canonicalize_name

    from bundler.lock.changes import Upgrade
    from bundler.stages.make import make_locks
    from bundler.stages.request import BuildRequest

    changes = Upgrade(upgrade, frozenset(canonicalize_name(name) for name in upgrade_packages))
    policy: LockPolicy = "check" if check else "renew"
    return make_locks(BuildRequest(project, _session(session), policy, upgrade=changes))


def add(
    project: Project, requirements: Sequence[str], *, session: Session | None = None
) -> tuple[LockChanges, ...]:
    """Add ``requirements`` to what ``project`` requires, and lock; returns what changed.

    They go into the first file of deps.requirements, else into deps.packages; one of the same name
    is replaced. If there is no solution, the files are as they were. Raises UsageError for what is
    not a requirement, and as `update_locks`.

    Example:
        >>> import bundler, pathlib
        >>> _ = pathlib.Path("bundle.toml").write_text("")
        >>> [changes] = bundler.add(bundler.load_project(), ["humanize"])
        >>> changes.path.name, list(changes.added)
        ('pylock.deps.toml', ['humanize'])
    """
    from bundler.project.edit import add_requirements, restored_on_error

    with restored_on_error(project):
        add_requirements(project, requirements)
        return update_locks(load_project(project.file or project.folder), session=session)


def remove(
    project: Project, names: Sequence[str], *, session: Session | None = None
) -> tuple[LockChanges, ...]:
    """Remove the requirements called ``names`` from ``project``, and lock; returns what changed.

    If there is no solution, the files are as they were. Raises UsageError if one is not there, and
    as `update_locks`.

    Example:
        >>> import bundler, pathlib
        >>> _ = pathlib.Path("bundle.toml").write_text("")
        >>> _ = bundler.add(bundler.load_project(), ["humanize", "leaf"])
        >>> [changes] = bundler.remove(bundler.load_project(), ["leaf"])
        >>> list(changes.removed)
        ['leaf']
    """
    from bundler.project.edit import remove_requirements, restored_on_error

    with restored_on_error(project):
        remove_requirements(project, names)
        return update_locks(load_project(project.file or project.folder), session=session)


def read_venv(venv: StrPath) -> VenvContents:
    """What a venv.zip holds: packages with versions, its Python and its target.

    Raises UsageError if ``venv`` was not made by `build_venv` or `build`.

    Example:
        >>> import bundler
        >>> held = bundler.read_venv("venv.zip")  # doctest: +SKIP
        >>> held.python, held.packages["apache-flink"]  # doctest: +SKIP
        ('3.11.9', '2.2.1')
    """
    from pathlib import Path

    from bundler.stages.make import read_venv as read

    return read(Path(venv))


def load_bundle(folder: StrPath) -> Bundle:
    """The bundle that `build` left in ``folder``, each file checked by its SHA-256.

    Raises UsageError if there is none, or a file is missing or is not the one that was listed.

    Example:
        >>> import bundler
        >>> project = bundler.load_project().overridden(deps={"packages": ["humanize"]})
        >>> _ = bundler.build(project, "dist")
        >>> bundler.load_bundle("dist").deps.name
        'deps.zip'
    """
    from pathlib import Path

    from bundler.stages.bundle import read_bundle

    return read_bundle(Path(folder))


def bundle_of_files(
    *,
    venv: StrPath | None = None,
    deps: StrPath | None = None,
    data: Sequence[StrPath] = (),
    jars: Sequence[StrPath] = (),
    flink: str | None = None,
    session: Session | None = None,
) -> Bundle:
    """A bundle of single files, whose target and interpreter are what their manifests say.

    ``flink`` is the release if neither ``venv`` nor ``deps`` is given. Raises UsageError if an
    archive is missing or of another kind, or two are for different targets.

    Example:
        >>> import bundler, pathlib
        >>> _ = pathlib.Path("words.txt").write_text("one two")
        >>> _ = bundler.build_data(["words.txt"], "data.zip")
        >>> bundle = bundler.bundle_of_files(data=["data.zip"], flink="2.2.1")
        >>> [path.name for path in bundle.data]
        ['data.zip']
    """
    from pathlib import Path

    from bundler.stages.bundle import bundle_of

    return bundle_of(
        venv=Path(venv) if venv is not None else None,
        deps=Path(deps) if deps is not None else None,
        data=[Path(path) for path in data],
        jars=[Path(path) for path in jars],
        flink=flink,
        progress=_session(session).progress,
    )


def job_of(project: Project, bundle: Bundle) -> JobBundle:
    """``bundle`` with the job that ``[job]`` of ``project`` describes, to configure or submit.

    Raises UsageError if a file of the job is missing.

    Example:
        >>> import bundler, pathlib
        >>> _ = pathlib.Path("job.py").write_text("print('hello')")
        >>> project = bundler.load_project().overridden(job={"script": "job.py", "parallelism": 2})
        >>> job = bundler.job_of(project, bundler.bundle_of_files(flink="2.2.1"))
        >>> job.script.name, job.parallelism
        ('job.py', 2)
    """
    from bundler.flink.job import job_bundle

    return job_bundle(bundle, project)


def configuration(job: JobBundle, *, archives_at: str | None = None) -> Configuration:
    """Flink's options for ``job``: as values, as its configuration file, and as arguments.

    ``archives_at`` is a folder or URL where the cluster finds the archives; without it they are
    named where they are on this machine.

    Example:
        >>> import bundler
        >>> job = bundler.JobBundle(bundler.Target.parse(flink="2.2.1"), "python3.11")
        >>> found = bundler.configuration(job)
        >>> found.name
        'config.yaml'
        >>> print(found.text)
        python.executable: "python3.11"
        python.client.executable: "python3.11"
        <BLANKLINE>
    """
    from bundler.flink.configuration import Configuration

    return Configuration(job, archives_at)


def submit(
    job: JobBundle,
    master: str,
    *,
    follow: bool = True,
    detached: bool = False,
    timeout: float | None = None,
    session: Session | None = None,
    poll: Callable[[], None] = lambda: None,
) -> JobResult:
    """Run ``job`` on the Flink (1.17 or newer) whose REST API is at the URL ``master``.

    Returns when the job has ended; with ``follow=False`` when all its tasks run; with
    ``detached`` as soon as it is accepted. ``timeout`` bounds that wait, in seconds. ``poll`` is
    called several times a second meanwhile.

    Raises UsageError for a bad address or a bundle without a job; JobError if the master is
    unreachable, is not Flink, is another Flink line or refuses uploads, and if the job fails:
    then ``found`` is the Python traceback, where there is one.

    Example:
        >>> import bundler
        >>> bundle = bundler.load_bundle("dist")  # doctest: +SKIP
        >>> job = bundler.job_of(bundler.load_project(), bundle)  # doctest: +SKIP
        >>> bundler.submit(job, "http://localhost:8081").state  # doctest: +SKIP
        'FINISHED'
    """
    from bundler.flink.submit import submit as submit_job

    return submit_job(
        master,
        job,
        _session(session),
        follow=follow,
        detached=detached,
        timeout=timeout,
        poll=poll,
    )


def run(
    job: JobBundle,
    *,
    port: int | None = None,
    timeout: float | None = None,
    logs: StrPath | None = None,
    session: Session | None = None,
) -> JobResult:
    """Start the target's Flink on this machine, run ``job`` to its end, and stop Flink.

    ``port`` is that of the REST API (a free one by default), ``timeout`` the seconds that the job
    may take, ``logs`` a folder to keep Flink's configuration and logs in. What the job prints goes
    to ``session.progress.output``. Raises as `submit`.

    Example:
        >>> import bundler
        >>> bundle = bundler.load_bundle("dist")  # doctest: +SKIP
        >>> job = bundler.job_of(bundler.load_project(), bundle)  # doctest: +SKIP
        >>> bundler.run(job).state  # doctest: +SKIP
        'FINISHED'
    """
    from pathlib import Path

    from bundler.flink.local.run import run_local

    folder = Path(logs) if logs is not None else None
    return run_local(job, _session(session), port=port, timeout=timeout, logs=folder)


def _session(session: Session | None) -> Session:
    from bundler.session import Session

    return session or Session.default()
