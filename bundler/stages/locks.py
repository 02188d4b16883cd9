"""The locks of a project: kept, used if they fit, or made again."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from bundler.base.model import Base
from bundler.errors import MetadataError, UsageError
from bundler.lock.inherited import inherited_requirements
from bundler.lock.joint import Pair, differing, pins_of, solve_beside, solve_pair
from bundler.lock.policy import LockPolicy, resolve_lock
from bundler.lock.pylock import Lock
from bundler.lock.requirements import combined, read_requirements
from bundler.lock.resolve import Problem, resolve, with_setuptools_cap
from bundler.project.tables import DepsTable, Project, VenvTable
from bundler.stages.request import BuildRequest, VenvContents, container_options
from bundler.target import Target

VENV_LOCK = "pylock.venv.toml"
DEPS_LOCK = "pylock.deps.toml"


def has_venv(project: Project) -> bool:
    """Whether ``bundle build`` makes a venv.zip of it."""
    return project.tables.venv is not None or project.tables.deps is None


def has_deps(project: Project) -> bool:
    """Whether ``bundle build`` makes a deps.zip of it."""
    deps = project.tables.deps
    return deps is not None and bool(deps.requirements or deps.packages)


def venv_lock(
    request: BuildRequest, base: Base, exact: Target, policy: LockPolicy
) -> tuple[Lock, Problem]:
    """The lock of venv.zip, solved together with what deps.zip will hold, and what it answers."""
    return _Locks(request, base, exact).venv(policy)


def lock_both(
    request: BuildRequest, base: Base, exact: Target, policy: LockPolicy
) -> tuple[tuple[Lock, Problem], tuple[Lock, Problem]]:
    """The locks of venv.zip and of the deps.zip beside it, and what each answers."""
    locks = _Locks(request, base, exact)
    venv = locks.venv(policy)
    return venv, locks.deps(venv[0], policy)


def lock_deps(request: BuildRequest, exact: Target, venv: VenvContents) -> tuple[Lock, Problem]:
    """The lock of a deps.zip alone, or beside a venv.zip that is there and what it holds.

    Versions that differ from those of ``venv`` are noted.
    """
    problem = deps_problem(request)
    pinned = replace(problem, constraints=pins_of(venv.pins))
    flink = venv.packages.get("apache-flink")

    def solve() -> Lock:
        if flink is None or not problem.dependencies:
            kept = _kept_versions(request, DEPS_LOCK)
            return resolved(request, replace(pinned, preferences=pins_of(kept)), exact)
        return solve_beside(
            problem, venv.pins, flink, exact, lambda each: resolved(request, each, exact)
        )

    lock = resolve_lock(
        request.project.folder / DEPS_LOCK,
        pinned.inputs(exact),
        solve,
        request.policy,
        request.session.progress,
    )
    for name, (own, held) in sorted(differing(lock, venv.packages).items()):
        request.session.progress.note(
            f"deps.zip has {name} {own}, venv.zip {held}: the requirements need the former, and "
            "PyFlink accepts both."
        )
    return lock, pinned


class _Locks:
    """The two locks of one project, solved at most once, and together."""

    def __init__(self, request: BuildRequest, base: Base, exact: Target) -> None:
        self._request = request
        self._exact = exact
        self._fixed = dict(base.distributions)
        deps = request.project.tables.deps
        self._deps = deps_problem(request) if has_deps(request.project) else None
        self._together = self._deps is not None and bool(deps and deps.exclude_venv)
        beside = self._deps.requirements.lines if self._together and self._deps else ()
        self._venv = replace(_venv_problem(request, base), beside=beside)
        self._pair: Pair | None = None

    def venv(self, policy: LockPolicy) -> tuple[Lock, Problem]:
        lock = self._kept(VENV_LOCK, self._venv, policy)
        return lock, self._venv

    def deps(self, venv: Lock, policy: LockPolicy) -> tuple[Lock, Problem]:
        assert self._deps is not None
        pins = {**self._fixed, **venv.versions} if self._together else {}
        problem = replace(self._deps, constraints=pins_of(pins))
        return self._kept(DEPS_LOCK, problem, policy), problem

    def _kept(self, name: str, problem: Problem, policy: LockPolicy) -> Lock:
        return resolve_lock(
            self._request.project.folder / name,
            problem.inputs(self._exact),
            lambda: self._solved(name, problem),
            policy,
            self._request.session.progress,
        )

    def _solved(self, name: str, problem: Problem) -> Lock:
        joint = self._together and self._deps is not None and self._deps.dependencies
        if not joint or (name == DEPS_LOCK and self._pair is None):
            # The versions of a venv.zip whose lock was kept are fixed.
            kept = _kept_versions(self._request, name)
            return resolved(self._request, replace(problem, preferences=pins_of(kept)), self._exact)
        assert self._deps is not None
        if self._pair is None:
            solve = partial(resolved, self._request, exact=self._exact)
            kept = _kept_versions(self._request, DEPS_LOCK, VENV_LOCK)
            self._pair = solve_pair(self._venv, self._deps, self._exact, solve, pins_of(kept))
        return self._pair.venv if name == VENV_LOCK else self._pair.deps


def _kept_versions(request: BuildRequest, *names: str) -> dict[str, str]:
    """What a renewed lock keeps of the locks ``names``; of two that differ the last one counts."""
    if request.policy != "renew":
        return {}
    folder = request.project.folder
    return {
        package: version
        for name in names
        for package, version in request.upgrade.kept(folder / name).items()
    }


def resolved(request: BuildRequest, problem: Problem, exact: Target) -> Lock:
    """A new lock: made in the target's image if a source's metadata can only be read there."""
    folder, session = request.project.folder, request.session
    try:
        return resolve(problem, exact, folder, session)
    except MetadataError as error:
        if session.offline or request.project.tables.build.builder == "local":
            raise
        session.progress.note(f"{error.found}\nResolving in the target's image.")
        from bundler.containers.in_image import resolve_for_interpreter

        options = container_options(request.project.tables.build)
        return resolve_for_interpreter(problem, exact, folder, session, options)


def _venv_problem(request: BuildRequest, base: Base) -> Problem:
    table = request.project.tables.venv or VenvTable()
    target = request.target
    packages = (f"apache-flink=={target.flink}", *base.requirements, *table.packages)
    own = read_requirements(request.project.paths(table.requirements), packages)
    return Problem(
        with_setuptools_cap(combined(inherited_requirements(), own), target),
        constraints=pins_of(dict(base.distributions)),
        jars=table.keep_jars,
    )


def deps_problem(request: BuildRequest) -> Problem:
    """What deps.zip is to hold. Raises UsageError if that is nothing."""
    table = request.project.tables.deps or DepsTable()
    own = read_requirements(request.project.paths(table.requirements), table.packages)
    if not own:
        raise UsageError(
            "There are no requirements to build deps.zip from.",
            "Expected a requirements file or packages.",
            "Give -r requirements.txt, or set deps.requirements in bundle.toml.",
        )
    return Problem(combined(inherited_requirements(), own), dependencies=not table.no_deps)
