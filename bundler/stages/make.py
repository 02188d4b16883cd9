"""From a project to its locks and archives: the stages in their order."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import canonicalize_name

from bundler.archive.manifest import read_venv_manifest
from bundler.base.find import find_base
from bundler.base.model import Base, BaseOptions
from bundler.jars.listing import jar_list
from bundler.lock.changes import LockChanges, Upgrade, changes_of
from bundler.lock.policy import LockPolicy
from bundler.lock.pylock import Lock
from bundler.lock.resolve import Problem
from bundler.plugins.conda_environment import with_conda_of_plugins
from bundler.project.tables import DepsTable, VenvTable
from bundler.slim.rules import DEFAULT_RULES, RULES, check_rules
from bundler.stages.bundle import Bundle, bundle_of_build, write_list
from bundler.stages.check import check_packed
from bundler.stages.divide import keep_packages_whole
from bundler.stages.locks import (
    DEPS_LOCK,
    VENV_LOCK,
    has_deps,
    has_venv,
    lock_both,
    lock_deps,
    venv_lock,
)
from bundler.stages.made_here import remember
from bundler.stages.pack import Packed, pack_data, pack_deps, pack_venv
from bundler.stages.request import BuildRequest, VenvContents, container_options
from bundler.support.files import check_writable, digest_of, whole_file
from bundler.target import Target
from bundler.wheels.obtain import Builder, Wheel, obtain_wheels

CONDA_LOCK = "conda.venv.lock"


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The bundle that was built, and its archives in the order they were written."""

    bundle: Bundle
    archives: tuple[Packed, ...]


def read_venv(venv: Path) -> VenvContents:
    """What the manifest of ``venv`` says. Raises UsageError as `read_venv_manifest`."""
    manifest = read_venv_manifest(venv)
    return VenvContents(manifest.packages, manifest.python or "", manifest.target.model_dump())


def make_venv(request: BuildRequest, out: Path) -> Packed:
    """Build venv.zip at ``out``. Raises any BundlerError of the stages."""
    check_writable(out)
    table = request.project.tables.venv or VenvTable()
    rules = _rules(table.slim, keep_jars=table.keep_jars)
    base, exact = _base(request, table, request.policy)
    lock, problem = venv_lock(request, base, exact, request.policy)
    wheels = _wheels(request, lock, problem, exact, without=dict(base.distributions))
    return _packed_venv(request, base, lock, wheels, out, rules)


def make_deps(request: BuildRequest, out: Path, venv: VenvContents) -> Packed:
    """Build deps.zip at ``out``, without what ``venv`` holds. Raises any BundlerError."""
    check_writable(out)
    rules = _rules((request.project.tables.deps or DepsTable()).slim, keep_jars=False)
    target = request.target
    exact = replace(target, python=venv.python or target.python)
    lock, problem = lock_deps(request, exact, venv)
    without = {
        name
        for name, version in venv.packages.items()
        if lock.versions.get(name, version) == version
    }
    wheels = _wheels(request, lock, problem, exact, without=without)
    return pack_deps(wheels, target, out, rules=rules, session=request.session)


def make_bundle(request: BuildRequest, folder: Path) -> BuildResult:
    """Build all that the project describes into ``folder``, and ``bundle.lock.json``."""
    tables, progress = request.project.tables, request.session.progress
    target = request.target
    jars = jar_list(request.project.paths(tables.jars.files), progress)
    lock_name = f"build-{digest_of(str(folder.resolve()).encode())[:16]}"
    with request.session.cache.lock(lock_name):
        packed = _pythons(request, folder)
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


def _pythons(request: BuildRequest, folder: Path) -> list[Packed]:
    """venv.zip and deps.zip in ``folder``, as far as the project has them."""
    project = request.project
    if not has_deps(project):
        return [make_venv(request, folder / "venv.zip")]
    if not has_venv(project):
        return [make_deps(request, folder / "deps.zip", VenvContents())]
    venv_out, deps_out = folder / "venv.zip", folder / "deps.zip"
    for out in (venv_out, deps_out):
        check_writable(out)
    table, deps = project.tables.venv or VenvTable(), project.tables.deps or DepsTable()
    rules = _rules(table.slim, keep_jars=table.keep_jars)
    deps_rules = _rules(deps.slim, keep_jars=False)
    base, exact = _base(request, table, request.policy)
    (lock, problem), (beside, deps_problem) = lock_both(request, base, exact, request.policy)
    fixed = dict(base.distributions)
    wheels = _wheels(request, lock, problem, exact, without=fixed)
    held = {*fixed, *lock.versions, *lock.unversioned} if deps.exclude_venv else set()
    others = _wheels(request, beside, deps_problem, exact, without=held)
    if deps.exclude_venv:
        wheels, others = keep_packages_whole(wheels, others)
    venv = _packed_venv(request, base, lock, wheels, venv_out, rules)
    target, session = request.target, request.session
    return [venv, pack_deps(others, target, deps_out, rules=deps_rules, session=session)]


def _packed_venv(
    request: BuildRequest,
    base: Base,
    lock: Lock,
    wheels: Sequence[Wheel],
    out: Path,
    rules: tuple[str, ...],
) -> Packed:
    packed = pack_venv(base, wheels, request.target, out, rules=rules, session=request.session)
    remember(packed.archive.sha256, request.session)
    return replace(packed, unversioned=lock.unversioned)


def make_locks(request: BuildRequest) -> tuple[LockChanges, ...]:
    """Resolve the project's requirements as the request says, and write its locks.

    What is locked and still fits is kept, but for what the request upgrades. With the policy
    ``check`` nothing is solved or written: ResolutionError if a lock is missing or stale.
    """
    project, policy = request.project, request.policy
    paths = [project.folder / name for name in (VENV_LOCK, DEPS_LOCK)]
    before = [Upgrade().kept(path) for path in paths]
    locks: list[Lock | None] = [None, None]
    if has_venv(project):
        base, exact = _base(request, project.tables.venv or VenvTable(), policy)
        if has_deps(project):
            (locks[0], _), (locks[1], _) = lock_both(request, base, exact, policy)
        else:
            locks[0], _ = venv_lock(request, base, exact, policy)
    else:
        locks[1], _ = lock_deps(request, request.target, VenvContents())
    return tuple(
        changes_of(path, versions, lock)
        for path, versions, lock in zip(paths, before, locks, strict=True)
        if lock is not None
    )


def check_archives_of(
    request: BuildRequest,
    packed: Iterable[Packed],
    venv: Path | None = None,
    *,
    trust: bool = False,
) -> None:
    """Check finished archives as the request says; ``venv`` and ``trust`` as for `check_packed`."""
    if request.check:
        tables = request.project.tables
        skip = {
            *(tables.venv or VenvTable()).skip_imports,
            *(tables.deps or DepsTable()).skip_imports,
        }
        check_packed(
            tuple(packed), request.target, request.session, skip=skip, venv=venv, trust=trust
        )


def _wheels(
    request: BuildRequest, lock: Lock, problem: Problem, exact: Target, without: Iterable[str]
) -> list[Wheel]:
    table = request.project.tables.build
    return obtain_wheels(
        lock,
        exact,
        request.session,
        builder=Builder(table.builder, container_options(table)),
        without=frozenset(canonicalize_name(name) for name in without),
        indexes=problem.requirements.index_urls,
    )


def _base(request: BuildRequest, table: VenvTable, policy: LockPolicy) -> tuple[Base, Target]:
    """The Python of venv.zip, and the target with its full version."""
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
    base = find_base(
        table.base, request.target, request.session, strict=table.strict, options=options
    )
    return base, replace(request.target, python=base.python_version)


def _rules(chosen: tuple[str, ...] | None, *, keep_jars: bool) -> tuple[str, ...]:
    rules = DEFAULT_RULES if chosen is None else tuple(RULES) if chosen == ("all",) else chosen
    check_rules(rules)
    return tuple(rule for rule in rules if not (keep_jars and rule == "jars"))
