"""The stages in their order, for a project: what the commands call."""

from __future__ import annotations

import json
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from bundler.archive.read import manifest_of
from bundler.archive.slim import DEFAULT_RULES, check_rules
from bundler.base import Base, BaseOptions, find_base
from bundler.base.host import find_host
from bundler.bundle import Bundle, bundle_of_build, write_list
from bundler.cache import Cache
from bundler.errors import UsageError, VerificationError
from bundler.fetch import digest_of
from bundler.files import check_writable, sha256_of, whole_file
from bundler.jars import jar_list
from bundler.lock import Lock, write_lock
from bundler.locks import fitting_lock, kept_lock
from bundler.pack import Packed, pack_data, pack_deps, pack_venv
from bundler.plugin_environment import as_plugins_ask
from bundler.progress import SILENT, Progress
from bundler.project import DepsTable, Project, VenvTable
from bundler.requirements import read_requirements
from bundler.resolve import MetadataError, Wanted, resolve, with_setuptools_cap
from bundler.target import Target
from bundler.verify.imports import ImportFailure, check_archives
from bundler.verify.shadow import hidden_packages
from bundler.wheels import Builder, Wheel, wheels_of

if TYPE_CHECKING:
    from bundler.base.model import LockPolicy
    from bundler.build.container import ContainerOptions

VENV_LOCK = "pylock.venv.toml"
DEPS_LOCK = "pylock.deps.toml"
CONDA_LOCK = "conda.venv.lock"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every stage needs: the project, where to cache, whom to tell, and what is allowed.

    ``check`` says whether finished archives are unpacked and imported. ``keep_locks`` says
    whether a lock that is there must fit and one that is not is kept (as ``bundle build`` does),
    or a lock is used only if it happens to fit. ``python`` is the full version of the base, once
    it is known: requirements may ask for a patch version.
    """

    project: Project
    cache: Cache
    progress: Progress = SILENT
    offline: bool = False
    check: bool = True
    keep_locks: bool = False
    python: str = ""

    @property
    def target(self) -> Target:
        """The project's target. Raises UsageError if it is no possible one."""
        table = self.project.tables.target
        return Target.parse(flink=table.flink, python=table.python, platform=table.platform)

    @property
    def exact(self) -> Target:
        """The target with the Python that is really in venv.zip, as far as it is known."""
        return replace(self.target, python=self.python or self.target.python)

    def lock(self, name: str, wanted: Wanted) -> Lock:
        """The lock called ``name`` of the project."""
        choose = kept_lock if self.keep_locks else fitting_lock
        path = self.project.folder / name
        question = wanted.question(self.exact)
        return choose(path, question, lambda: self.resolved(wanted), self.progress)

    def resolved(self, wanted: Wanted) -> Lock:
        """A new lock: made in the target's image if a source tells what it requires only there."""
        target, folder, progress = self.exact, self.project.folder, self.progress
        try:
            return resolve(wanted, target, folder, progress, offline=self.offline)
        except MetadataError as error:
            if self.offline or self.project.tables.build.builder == "local":
                raise
            progress.note(f"{error.found}\nResolving in the target's image.")
            from bundler.build.locking import resolve_for_interpreter

            options = _container_options(self.project)
            return resolve_for_interpreter(wanted, target, folder, self.cache, progress, options)

    def wheels(self, lock: Lock, wanted: Wanted, without: Iterable[str]) -> list[Wheel]:
        """A wheel for each package of ``lock``, which answers ``wanted``, but ``without`` some."""
        return wheels_of(
            lock,
            self.exact,
            self.cache,
            self.progress,
            builder=Builder(self.project.tables.build.builder, _container_options(self.project)),
            without=frozenset(canonicalize_name(name) for name in without),
            offline=self.offline,
            indexes=wanted.requirements.index_urls,
        )


def _container_options(project: Project) -> ContainerOptions | None:
    table = project.tables.build
    if not table.model_fields_set - {"builder"}:
        return None
    from bundler.build.container import ContainerOptions

    return ContainerOptions(
        image=table.image,
        network=table.network,
        system_packages=table.system_packages,
        before_build=table.before_build,
        environment=table.environment,
    )


def make_venv(shop: Workshop, out: Path) -> Packed:
    """Build venv.zip at ``out``. Raises any BundlerError of the stages."""
    check_writable(out)
    table = shop.project.tables.venv or VenvTable()
    rules = _rules(table.slim, keep_jars=table.keep_jars)
    shop, base, wanted = _with_base(shop, table, "keep" if shop.keep_locks else "fit")
    lock = shop.lock(VENV_LOCK, wanted)
    wheels = shop.wheels(lock, wanted, without=[name for name, _ in base.distributions])
    packed = pack_venv(
        base,
        wheels,
        shop.target,
        out,
        rules=rules,
        cache=shop.cache,
        progress=shop.progress,
    )
    return replace(packed, unversioned=lock.unversioned)


def make_deps(
    shop: Workshop,
    out: Path,
    pins: Mapping[str, str],
    unversioned: frozenset[str] = frozenset(),
) -> Packed:
    """Build deps.zip at ``out``; ``pins`` are the versions that venv.zip has and it leaves out.

    Those ``unversioned`` are no constraint: `make_locks` does not know them.

    Raises any BundlerError of the stages.
    """
    check_writable(out)
    table = shop.project.tables.deps or DepsTable()
    rules = _rules(table.slim, keep_jars=False)
    fixed = {name: version for name, version in pins.items() if name not in unversioned}
    wanted = _deps_wanted(shop, table, fixed)
    lock = shop.lock(DEPS_LOCK, wanted)
    wheels = shop.wheels(lock, wanted, without=pins)
    return pack_deps(
        wheels,
        shop.target,
        out,
        rules=rules,
        cache=shop.cache,
        progress=shop.progress,
    )


def check(shop: Workshop, packed: Sequence[Packed], venv: Path | None = None) -> None:
    """Unpack the archives and import what they hold, if this machine can run the target.

    ``venv`` is the venv.zip to use if none is among ``packed``. Archives that passed before are
    passed over. Raises VerificationError naming what does not import.
    """
    if not shop.check or not packed:
        return
    target = shop.target
    if sys.platform != "linux" or platform.machine() != target.architecture:
        shop.progress.note(f"Imports not checked: {target.platform} does not run here.")
        return
    own = [item.archive.path for item in packed if item.kind == "venv"]
    deps = [item.archive.path for item in packed if item.kind == "deps"]
    venv = own[0] if own else venv
    if venv is not None:
        _warn_of_hidden(venv, deps, shop.progress)
    python = None
    if venv is None:
        host = find_host(target)
        if host is None:
            shop.progress.note(
                f"Imports not checked: there is no Python {target.python_minor} here, and no "
                "venv.zip was given (--exclude-in)."
            )
            return
        python = host.interpreter.executable
    tables = shop.project.tables
    skip = {*(tables.venv or VenvTable()).skip_imports, *(tables.deps or DepsTable()).skip_imports}
    hashes = [item.archive.sha256 for item in packed if item.kind != "data"]
    if venv is not None and not own:
        hashes.append(sha256_of(venv))
    key = digest_of(json.dumps([hashes, str(python), sorted(skip)]).encode())
    passed = shop.cache.path("checked", key, "report.json")
    if passed.is_file():
        return
    report = check_archives(venv, deps, python, progress=shop.progress)
    failures = [failure for failure in report.failures if failure.module not in skip]
    if failures:
        raise _not_importable(packed, failures)
    with whole_file(passed) as temporary:
        temporary.write_text(json.dumps({"modules": report.modules}))
    names = ", ".join(path.name for path in [*own, *deps])
    shop.progress.note(f"{names}: {report.modules} modules import ({report.seconds:.1f} s)")


def _warn_of_hidden(venv: Path, deps: Sequence[Path], progress: Progress) -> None:
    for archive in deps:
        if hidden := hidden_packages(venv, archive):
            progress.warn(
                f"{archive.name} hides other versions of what {venv.name} holds: "
                f"{', '.join(hidden)}.\nPyFlink itself will import those of {archive.name}.\n"
                "Leave them out (--exclude-in, deps.exclude-venv), or test the job well."
            )


def _not_importable(
    packed: Sequence[Packed], failures: Sequence[ImportFailure]
) -> VerificationError:
    first = failures[0]
    others = [failure.module for failure in failures[1:]]
    reason = first.error.splitlines()[-1] if first.error else "no reason given"
    return VerificationError(
        f"{first.module} of {first.distribution} does not import: {reason}",
        f"Neither do: {', '.join(others)}." if others else "",
        f"{', '.join(item.archive.path.name for item in packed)} is written. Add what is missing "
        "to the requirements; or, if the job does without it, name it in skip-imports.",
    )


@dataclass(frozen=True, slots=True)
class Held:
    """What a venv.zip holds: the versions of its distributions, by normalized name, and the full
    version of its Python; and its target: ``flink``, ``python`` and ``platform``."""

    packages: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    target: Mapping[str, str] = field(default_factory=dict)


def held_in(venv: Path) -> Held:
    """What the manifest of ``venv`` says. Raises UsageError as `manifest_of`."""
    manifest = manifest_of(venv, "venv")
    return Held(manifest["packages"], str(manifest.get("python", "")), manifest["target"])


def make_bundle(shop: Workshop, folder: Path) -> tuple[Bundle, list[Packed]]:
    """Build all that the project describes into ``folder``, and ``bundle.lock.json``."""
    tables = shop.project.tables
    target = shop.target
    jars = jar_list(shop.project.paths(tables.jars.files), shop.progress)
    packed: list[Packed] = []
    with shop.cache.lock(f"build-{digest_of(str(folder.resolve()).encode())[:16]}"):
        pins: dict[str, str] = {}
        if tables.venv is not None or tables.deps is None:
            packed.append(make_venv(shop, folder / "venv.zip"))
            if tables.deps is None or tables.deps.exclude_venv:
                pins = dict(packed[0].packages)
        if tables.deps is not None and (tables.deps.requirements or tables.deps.packages):
            unversioned = packed[0].unversioned if pins else frozenset()
            python = packed[0].python if packed else ""
            packed.append(
                make_deps(replace(shop, python=python), folder / "deps.zip", pins, unversioned)
            )
        for name, data in tables.data.items():
            paths = shop.project.paths(data.paths)
            packed.append(pack_data(paths, folder / f"{name}.zip", progress=shop.progress))
        for jar in jars:
            if jar.path.parent != folder.absolute():
                with whole_file(folder / jar.name) as temporary:
                    shutil.copyfile(jar.path, temporary)
        check(shop, packed)
        here = tuple(replace(jar, path=folder.absolute() / jar.name) for jar in jars)
        bundle = bundle_of_build(target, packed, here)
        write_list(folder, bundle, packed)
    return bundle, packed


def make_locks(shop: Workshop) -> list[Path]:
    """Resolve anew what the project wants, and write its locks."""
    tables = shop.project.tables
    folder = shop.project.folder
    written: list[Path] = []
    pins: dict[str, str] = {}
    if tables.venv is not None or tables.deps is None:
        shop, base, wanted = _with_base(shop, tables.venv or VenvTable(), "renew")
        lock = shop.resolved(wanted)
        write_lock(lock, folder / VENV_LOCK)
        written.append(folder / VENV_LOCK)
        if tables.deps is None or tables.deps.exclude_venv:
            pins = {**dict(base.distributions), **lock.versions}
    if tables.deps is not None and (tables.deps.requirements or tables.deps.packages):
        wanted = _deps_wanted(shop, tables.deps, pins)
        lock = shop.resolved(wanted)
        write_lock(lock, folder / DEPS_LOCK)
        written.append(folder / DEPS_LOCK)
    return written


def _with_base(
    shop: Workshop, table: VenvTable, policy: LockPolicy
) -> tuple[Workshop, Base, Wanted]:
    """The base, what is wanted beside it, and ``shop`` knowing the base's Python."""
    base = _base(shop, table, policy)
    shop = replace(shop, python=base.python_version)
    return shop, base, _venv_wanted(shop, table, base)


def _base(shop: Workshop, table: VenvTable, policy: LockPolicy) -> Base:
    project = shop.project
    table = as_plugins_ask(project, table, shop.cache, shop.progress)
    options = BaseOptions(
        environment=project.path(table.environment) if table.environment else None,
        channels=table.channels,
        lock=project.folder / CONDA_LOCK,
        lock_policy=policy,
        from_prefix=project.path(table.from_prefix) if table.from_prefix else None,
        image=project.tables.build.image,
        offline=shop.offline,
    )
    return find_base(
        table.base, shop.target, shop.cache, shop.progress, strict=table.strict, options=options
    )


def _venv_wanted(shop: Workshop, table: VenvTable, base: Base) -> Wanted:
    packages = (f"apache-flink=={shop.target.flink}", *base.requirements, *table.packages)
    requirements = read_requirements(shop.project.paths(table.requirements), packages)
    return Wanted(
        with_setuptools_cap(requirements, shop.target),
        constraints=_pins(dict(base.distributions)),
        jars=table.keep_jars,
    )


def _deps_wanted(shop: Workshop, table: DepsTable, pins: Mapping[str, str]) -> Wanted:
    requirements = read_requirements(shop.project.paths(table.requirements), table.packages)
    if not requirements:
        raise UsageError(
            "There is no requirement to build deps.zip from.",
            "Expected a requirements file or packages.",
            "Give -r requirements.txt, or set deps.requirements in bundle.toml.",
        )
    return Wanted(requirements, constraints=_pins(pins), dependencies=not table.no_deps)


def _pins(versions: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(f"{name}=={version}" for name, version in versions.items()))


def _rules(chosen: tuple[str, ...] | None, *, keep_jars: bool) -> tuple[str, ...]:
    rules = DEFAULT_RULES if chosen is None else chosen
    check_rules(rules)
    return tuple(rule for rule in rules if not (keep_jars and rule == "jars"))
