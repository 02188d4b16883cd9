"""From a project to its locks and archives: the stages in their order."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from bundler.archive.read import manifest_of
from bundler.base import Base, BaseOptions, find_base
from bundler.containers.options import ContainerOptions
from bundler.errors import UsageError
from bundler.jars.listing import jar_list
from bundler.lock.policy import LockPolicy, resolve_lock
from bundler.lock.pylock import Lock
from bundler.lock.requirements import read_requirements
from bundler.lock.resolve import MetadataError, Problem, resolve, with_setuptools_cap
from bundler.plugins.conda_environment import with_conda_of_plugins
from bundler.project.tables import BuildTable, DepsTable, Project, VenvTable
from bundler.session import Session
from bundler.slim.rules import DEFAULT_RULES, check_rules
from bundler.stages.bundle import Bundle, bundle_of_build, write_list
from bundler.stages.check import check_packed
from bundler.stages.pack import Packed, pack_data, pack_deps, pack_venv
from bundler.support.files import check_writable, digest_of, whole_file
from bundler.target import Target
from bundler.wheels.obtain import Builder, Wheel, obtain_wheels

VENV_LOCK = "pylock.venv.toml"
DEPS_LOCK = "pylock.deps.toml"
CONDA_LOCK = "conda.venv.lock"


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to build and how: a project, a session, and what becomes of locks and finished archives.

    ``policy`` is how the project's locks are treated (`bundler.lock.policy.LockPolicy`); ``check``
    says whether finished archives are unpacked and imported.
    """

    project: Project
    session: Session
    policy: LockPolicy = "fit"
    check: bool = True

    @property
    def target(self) -> Target:
        """The project's target. Raises UsageError if it is not a possible one."""
        table = self.project.tables.target
        return Target.parse(flink=table.flink, python=table.python, platform=table.platform)


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The bundle that was built, and its archives in the order they were written."""

    bundle: Bundle
    archives: tuple[Packed, ...]


@dataclass(frozen=True, slots=True)
class VenvContents:
    """What a venv.zip holds: the versions of its distributions, by normalized name, the full
    version of its Python, and its target: ``flink``, ``python`` and ``platform``.

    ``unversioned`` are distributions whose version the lock does not say: they are no constraint.
    """

    packages: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    target: Mapping[str, str] = field(default_factory=dict)
    unversioned: frozenset[str] = frozenset()

    @property
    def pins(self) -> dict[str, str]:
        """The versions that deps.zip must accept, since venv.zip has them."""
        return {
            name: version for name, version in self.packages.items() if name not in self.unversioned
        }


def read_venv(venv: Path) -> VenvContents:
    """What the manifest of ``venv`` says. Raises UsageError as `manifest_of`."""
    manifest = manifest_of(venv, "venv")
    return VenvContents(manifest["packages"], str(manifest.get("python", "")), manifest["target"])


def make_venv(request: BuildRequest, out: Path) -> Packed:
    """Build venv.zip at ``out``. Raises any BundlerError of the stages."""
    check_writable(out)
    table = request.project.tables.venv or VenvTable()
    rules = _rules(table.slim, keep_jars=table.keep_jars)
    target = request.target
    base = _base(request, table, request.policy)
    exact = replace(target, python=base.python_version)
    problem = _venv_problem(request, table, base)
    lock = _lock(request, VENV_LOCK, problem, exact, request.policy)
    wheels = _wheels(request, lock, problem, exact, without=dict(base.distributions))
    packed = pack_venv(base, wheels, target, out, rules=rules, session=request.session)
    return replace(packed, unversioned=lock.unversioned)


def make_deps(request: BuildRequest, out: Path, venv: VenvContents = VenvContents()) -> Packed:
    """Build deps.zip at ``out``, without what ``venv`` holds. Raises any BundlerError."""
    check_writable(out)
    table = request.project.tables.deps or DepsTable()
    rules = _rules(table.slim, keep_jars=False)
    target = request.target
    exact = replace(target, python=venv.python or target.python)
    problem = _deps_problem(request, table, venv.pins)
    lock = _lock(request, DEPS_LOCK, problem, exact, request.policy)
    wheels = _wheels(request, lock, problem, exact, without=venv.packages)
    return pack_deps(wheels, target, out, rules=rules, session=request.session)


def make_bundle(request: BuildRequest, folder: Path) -> BuildResult:
    """Build all that the project describes into ``folder``, and ``bundle.lock.json``."""
    tables, progress = request.project.tables, request.session.progress
    target = request.target
    jars = jar_list(request.project.paths(tables.jars.files), progress)
    packed: list[Packed] = []
    lock_name = f"build-{digest_of(str(folder.resolve()).encode())[:16]}"
    with request.session.cache.lock(lock_name):
        venv = VenvContents()
        if _has_venv(request.project):
            made = make_venv(request, folder / "venv.zip")
            packed.append(made)
            venv = VenvContents(python=made.python)
            if tables.deps is None or tables.deps.exclude_venv:
                venv = VenvContents(made.packages, made.python, unversioned=made.unversioned)
        if _has_deps(request.project):
            packed.append(make_deps(request, folder / "deps.zip", venv))
        for name, data in tables.data.items():
            paths = request.project.paths(data.paths)
            packed.append(pack_data(paths, folder / f"{name}.zip", progress=progress))
        for jar in jars:
            if jar.path.parent != folder.absolute():
                with whole_file(folder / jar.name) as temporary:
                    shutil.copyfile(jar.path, temporary)
        check_archives_of(request, packed)
        here = tuple(replace(jar, path=folder.absolute() / jar.name) for jar in jars)
        bundle = bundle_of_build(target, packed, here)
        write_list(folder, bundle, packed)
    return BuildResult(bundle, tuple(packed))


def make_locks(request: BuildRequest) -> tuple[Path, ...]:
    """Resolve the project's requirements again, and write its locks."""
    project = request.project
    written: list[Path] = []
    exact = request.target
    pins: dict[str, str] = {}
    if _has_venv(project):
        table = project.tables.venv or VenvTable()
        base = _base(request, table, "renew")
        exact = replace(exact, python=base.python_version)
        lock = _lock(request, VENV_LOCK, _venv_problem(request, table, base), exact, "renew")
        written.append(project.folder / VENV_LOCK)
        if project.tables.deps is None or project.tables.deps.exclude_venv:
            pins = {**dict(base.distributions), **lock.versions}
    if _has_deps(project):
        problem = _deps_problem(request, project.tables.deps or DepsTable(), pins)
        _lock(request, DEPS_LOCK, problem, exact, "renew")
        written.append(project.folder / DEPS_LOCK)
    return tuple(written)


def check_archives_of(
    request: BuildRequest, packed: Iterable[Packed], venv: Path | None = None
) -> None:
    """Check finished archives as the request says; ``venv`` as for `check_packed`."""
    if request.check:
        tables = request.project.tables
        skip = {
            *(tables.venv or VenvTable()).skip_imports,
            *(tables.deps or DepsTable()).skip_imports,
        }
        check_packed(tuple(packed), request.target, request.session, skip=skip, venv=venv)


def _has_venv(project: Project) -> bool:
    return project.tables.venv is not None or project.tables.deps is None


def _has_deps(project: Project) -> bool:
    deps = project.tables.deps
    return deps is not None and bool(deps.requirements or deps.packages)


def _lock(
    request: BuildRequest, name: str, problem: Problem, exact: Target, policy: LockPolicy
) -> Lock:
    return resolve_lock(
        request.project.folder / name,
        problem.inputs(exact),
        lambda: _resolved(request, problem, exact),
        policy,
        request.session.progress,
    )


def _resolved(request: BuildRequest, problem: Problem, exact: Target) -> Lock:
    """A new lock: made in the target's image if a source tells what it requires only there."""
    folder, session = request.project.folder, request.session
    try:
        return resolve(problem, exact, folder, session)
    except MetadataError as error:
        if session.offline or request.project.tables.build.builder == "local":
            raise
        session.progress.note(f"{error.found}\nResolving in the target's image.")
        from bundler.containers.in_image import resolve_for_interpreter

        options = _container_options(request.project.tables.build)
        return resolve_for_interpreter(problem, exact, folder, session, options)


def _wheels(
    request: BuildRequest, lock: Lock, problem: Problem, exact: Target, without: Iterable[str]
) -> list[Wheel]:
    table = request.project.tables.build
    return obtain_wheels(
        lock,
        exact,
        request.session,
        builder=Builder(table.builder, _container_options(table)),
        without=frozenset(canonicalize_name(name) for name in without),
        indexes=problem.requirements.index_urls,
    )


def _container_options(table: BuildTable) -> ContainerOptions:
    return ContainerOptions(
        image=table.image,
        network=table.network,
        system_packages=table.system_packages,
        before_build=table.before_build,
        environment=table.environment,
    )


def _base(request: BuildRequest, table: VenvTable, policy: LockPolicy) -> Base:
    project = request.project
    table = with_conda_of_plugins(project, table, request.session)
    options = BaseOptions(
        environment=project.path(table.environment) if table.environment else None,
        channels=table.channels,
        lock=project.folder / CONDA_LOCK,
        lock_policy=policy,
        from_prefix=project.path(table.from_prefix) if table.from_prefix else None,
        image=project.tables.build.image,
    )
    return find_base(
        table.base, request.target, request.session, strict=table.strict, options=options
    )


def _venv_problem(request: BuildRequest, table: VenvTable, base: Base) -> Problem:
    target = request.target
    packages = (f"apache-flink=={target.flink}", *base.requirements, *table.packages)
    requirements = read_requirements(request.project.paths(table.requirements), packages)
    return Problem(
        with_setuptools_cap(requirements, target),
        constraints=_pins(dict(base.distributions)),
        jars=table.keep_jars,
    )


def _deps_problem(request: BuildRequest, table: DepsTable, pins: Mapping[str, str]) -> Problem:
    requirements = read_requirements(request.project.paths(table.requirements), table.packages)
    if not requirements:
        raise UsageError(
            "There is no requirement to build deps.zip from.",
            "Expected a requirements file or packages.",
            "Give -r requirements.txt, or set deps.requirements in bundle.toml.",
        )
    return Problem(requirements, constraints=_pins(pins), dependencies=not table.no_deps)


def _pins(versions: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(f"{name}=={version}" for name, version in versions.items()))


def _rules(chosen: tuple[str, ...] | None, *, keep_jars: bool) -> tuple[str, ...]:
    rules = DEFAULT_RULES if chosen is None else chosen
    check_rules(rules)
    return tuple(rule for rule in rules if not (keep_jars and rule == "jars"))
