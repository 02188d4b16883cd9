"""Requirements -> Lock, by uv, for a target that this machine is not.

uv resolves for any Python and platform (https://docs.astral.sh/uv/pip/compile/). Where an sdist
exists it takes releases whose wheels the target cannot use, so resolution is repeated with
``--only-binary`` for each package whose pick has wheels but none that fit, as far as that is
solvable. A release that comes as an sdist alone stays: it is most often pure Python.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

import tomli_w
from packaging.pylock import Package, PackageArchive, PackageSdist, PackageWheel, Pylock
from packaging.utils import InvalidName, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from bundler.errors import ResolutionError, UsageError
from bundler.lock.pylock import Lock, LockInputs, make_lock, moved, parse_pylock
from bundler.lock.requirements import Requirements, combined, read_requirements
from bundler.lock.uv_errors import uv_error
from bundler.session import Session
from bundler.support.index import index_settings
from bundler.support.process import Finished
from bundler.support.uv import run_uv
from bundler.target import Target

_TIMEOUT_SECONDS = 600.0
# The distribution that holds nothing but Flink's JARs; the cluster has them.
JARS_DISTRIBUTION = "apache-flink-libraries"
_WITHOUT_JARS = f"{JARS_DISTRIBUTION}; python_version < '0'"


@dataclass(frozen=True, slots=True)
class Problem:
    """What to resolve.

    ``constraints`` are pins (``name==version``) that the result must keep, ``preferences`` those
    that it keeps where it can; ``dependencies`` says whether transitive dependencies belong to the
    result, ``jars`` whether Flink's JARs do. ``beside`` are requirement lines that were solved
    together with these and belong to another archive.
    """

    requirements: Requirements
    constraints: tuple[str, ...] = ()
    preferences: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    dependencies: bool = True
    jars: bool = False

    def inputs(self, target: Target) -> LockInputs:
        """What a lock for this would answer."""
        options = [*self.requirements.options]
        if not self.dependencies:
            options.append("no-deps")
        if self.jars:
            options.append("keep-jars")
        options += [f"beside {line}" for line in self.beside]
        return LockInputs(target, self.requirements.lines, tuple(options), self.constraints)


def resolve(problem: Problem, target: Target, folder: Path, session: Session) -> Lock:
    """Solve ``problem`` for ``target``; paths in the lock are relative to ``folder``.

    Raises ResolutionError when there is no solution, naming the package, what exists, and what to
    do; or when no file of a package has a hash that the requirements allow.
    """
    with (
        session.progress.task("Resolving"),
        tempfile.TemporaryDirectory(prefix="bundle-") as scratch,
    ):
        solver = _Solver(problem, target, folder, Path(scratch), session.offline)
        pylock = solver.complete(solver.solve(()))
        unfit = set(_with_unfit_wheels(pylock, target, problem.requirements))
        refused: set[str] = set()
        while unfit - refused:
            attempt, refused = solver.solve_with_wheels(unfit, refused)
            if attempt is None:
                break
            pylock = solver.complete(attempt)
            more = set(_with_unfit_wheels(pylock, target, problem.requirements)) | unfit
            if more == unfit:
                break
            unfit = more
    _check_hashes_required(pylock, problem.requirements)
    packages = [_allowed(package, problem.requirements) for package in pylock.packages]
    return make_lock(packages, pylock, problem.inputs(target), _now(), folder)


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def uv_compile(
    arguments: Sequence[str | Path], folder: Path, *, offline: bool, default_index: bool = True
) -> Finished:
    """Run ``uv pip compile`` in ``folder`` with this machine's index settings; a pylock on stdout.

    ``default_index`` is False if the requirements name the index to use instead.
    uv would fetch the very Python it resolves for, which is not needed: that is switched off.
    """
    settings = index_settings()
    command = ["pip", "compile", "--format", "pylock.toml", "--quiet"]
    command += ["--no-header", "--no-python-downloads", "--python", sys.executable]
    command += settings.uv_arguments(default_index=default_index)
    if offline:
        command.append("--offline")
    return run_uv(
        [*command, *arguments], cwd=folder, env=settings.environment(), timeout=_TIMEOUT_SECONDS
    )


@dataclass(frozen=True, slots=True)
class _Solver:
    problem: Problem
    target: Target
    folder: Path
    scratch: Path
    offline: bool

    def solve_with_wheels(
        self, names: set[str], refused: set[str]
    ) -> tuple[Pylock | None, set[str]]:
        """A solution where as many of ``names`` as possible have wheels, and those that cannot."""
        refused = set(refused)
        while chosen := sorted(names - refused):
            try:
                return self.solve(chosen), refused
            except ResolutionError as error:
                said = f"{error.found} {error.expected}"
                blamed = set(re.findall(r"required for `([^`]+)` because", said)) & set(chosen)
                refused |= blamed or {next(self._impossible(chosen), chosen[0])}
        return None, refused

    def _impossible(self, names: Sequence[str]) -> Iterator[str]:
        for name in names:
            try:
                self.solve([name])
            except ResolutionError:
                yield name

    def solve(self, only_wheels: Sequence[str]) -> Pylock:
        """A solution in which each of ``only_wheels`` has a wheel for the target."""
        problem, wanted = self.problem, self.problem.requirements
        lines = (*wanted.index_lines(), *wanted.wanted_lines(self.folder))
        arguments: list[str | Path] = ["--python-platform", self.target.uv_platform]
        arguments += [self._file("requirements.in", lines), *wanted.formats.uv_arguments()]
        bounds = (*wanted.constraint_lines(self.folder), *pin_lines(problem.constraints))
        if bounds:
            arguments += ["--constraints", self._file("constraints.txt", bounds)]
        if not problem.jars:
            arguments += ["--overrides", self._file("overrides.txt", [_WITHOUT_JARS])]
        if not problem.dependencies:
            arguments.append("--no-deps")
        if wanted.pre:
            arguments += ["--prerelease", "allow"]
        for name in only_wheels:
            arguments += ["--only-binary", name]
        if problem.preferences:
            return self._compile_preferring(problem.preferences, arguments)
        return self._compile(arguments)

    def _compile_preferring(self, pins: Sequence[str], arguments: Sequence[str | Path]) -> Pylock:
        # uv keeps the versions of the file that it is to write, as far as they still fit.
        out = self.scratch / "pylock.preferred.toml"
        packages = [
            {"name": name, "version": version}
            for name, _, version in (pin.partition("==") for pin in pins)
        ]
        table = {"lock-version": "1.0", "created-by": "flink-bundler", "packages": packages}
        out.write_text(tomli_w.dumps(table), encoding="utf-8")
        self._run([*arguments, "--output-file", out])
        return moved(_parsed(out.read_bytes()), self.scratch, self.folder)

    def complete(self, pylock: Pylock) -> Pylock:
        """The same, with all published wheels of those packages that have none for the target.

        uv leaves out files that do not fit; to say what exists, and to know whether another
        release may have what is missing, they are needed.
        """
        pins = [
            f"{package.name}=={package.version}"
            for package in pylock.packages
            if package.sdist
            and not package.wheels
            and not self.problem.requirements.formats.must_build(str(package.name))
        ]
        if not pins:
            return pylock
        lines = [*self.problem.requirements.index_lines(), *pin_lines(pins)]
        found = self._compile(["--universal", "--no-deps", self._file("sdists.in", lines)])
        published = {package.name: package.wheels for package in found.packages}
        packages = [
            replace(package, wheels=published.get(package.name) or package.wheels)
            for package in pylock.packages
        ]
        return replace(pylock, packages=packages)

    def _file(self, name: str, lines: Sequence[str]) -> Path:
        path = self.scratch / name
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return path

    def _compile(self, arguments: Sequence[str | Path]) -> Pylock:
        return _parsed(self._run(arguments).encode())

    def _run(self, arguments: Sequence[str | Path]) -> str:
        version = ["--python-version", self.target.python_full]
        finished = uv_compile(
            [*version, *arguments],
            self.folder,
            offline=self.offline,
            default_index=not self.problem.requirements.replaces_index,
        )
        if finished.returncode != 0:
            raise uv_error(
                finished.stderr, self.target, with_constraints=bool(self.problem.constraints)
            )
        return finished.stdout


def _parsed(data: bytes) -> Pylock:
    """What uv wrote: most of it an index told."""
    try:
        return parse_pylock(data)
    except ValueError as error:
        raise ResolutionError(
            f"The index offers what cannot be locked: {error}.",
            "Expected each file with a SHA-256 and a URL of http, https or file.",
            "Check PIP_INDEX_URL, or leave out the index that offers it.",
        ) from error


def _with_unfit_wheels(pylock: Pylock, target: Target, requirements: Requirements) -> Iterator[str]:
    """The packages whose source was picked though they, or another release, may have a wheel."""
    for package, source in Lock(pylock, Path()).select(target):
        name = str(package.name)
        may = (package.wheels or requirements.prefer_binary) and not (
            requirements.formats.must_build(name)
        )
        if may and isinstance(source, PackageSdist):
            yield name


def pin_lines(pins: Sequence[str]) -> tuple[str, ...]:
    """``pins`` (``name==version``) as lines for uv or pip.

    They may come from the manifest of an archive that a stranger made. Raises UsageError for one
    that is not a name and a version.
    """
    lines = []
    for pin in pins:
        name, _, version = pin.partition("==")
        try:
            lines.append(f"{canonicalize_name(name, validate=True)}=={Version(version)}")
        except (InvalidName, InvalidVersion) as error:
            raise UsageError(
                f"{pin[:200]!r} is not a name and a version of a package.",
                "Expected versions that are fixed as name==version.",
                "Check the archive or the lock that names this package.",
            ) from error
    return tuple(lines)


def _check_hashes_required(pylock: Pylock, requirements: Requirements) -> None:
    """Raise ResolutionError if ``--require-hashes`` is set and a package has no hash."""
    without = [str(each.name) for each in pylock.packages if each.name not in requirements.hashes]
    if requirements.require_hashes and without:
        raise ResolutionError(
            f"The requirements have no hash for {', '.join(without[:10])}"
            f"{' and others' if without[10:] else ''}.",
            "With --require-hashes every package needs one, those that others depend on too.",
            "Add them (`pip-compile --generate-hashes` writes them), or drop --require-hashes.",
        )


def _allowed(package: Package, requirements: Requirements) -> Package:
    """The package with only those files whose hash and format the requirements allow."""
    if requirements.formats.must_build(str(package.name)):
        package = replace(package, wheels=None)
    allowed = requirements.hashes.get(str(package.name))
    if not allowed:
        return package
    wheels = [file for file in package.wheels or () if _digest(file) in allowed]
    sdist = package.sdist if package.sdist and _digest(package.sdist) in allowed else None
    archive = package.archive if package.archive and _digest(package.archive) in allowed else None
    offered: list[PackageWheel | PackageSdist | PackageArchive] = [*(package.wheels or ())]
    offered += [file for file in (package.sdist, package.archive) if file is not None]
    if wheels or sdist or archive or not offered:
        return replace(package, sdist=sdist, wheels=wheels or None, archive=archive)
    files = ", ".join(f"{_name_of(file)} sha256:{_digest(file)[:12]}..." for file in offered[:3])
    raise ResolutionError(
        f"No file of {package.name} {package.version} has a hash that the requirements allow.",
        f"The index offers {files}; allowed: "
        f"{', '.join(sorted(f'{digest[:12]}...' for digest in allowed))}.",
        "Change the --hash options (`pip-compile --generate-hashes` writes them), and find out "
        "why the file changed.",
    )


def _digest(file: PackageWheel | PackageSdist | PackageArchive) -> str:
    return str(file.hashes.get("sha256", ""))


def _name_of(file: PackageWheel | PackageSdist | PackageArchive) -> str:
    return str(file.url or file.path) if isinstance(file, PackageArchive) else file.filename


def wheel_tags(package: Package) -> list[str]:
    """The platform tags that the wheels of a locked package have, as ``cp311 manylinux_2_28``."""
    found = {
        f"{tag.interpreter} {tag.platform}"
        for wheel in package.wheels or ()
        if isinstance(wheel, PackageWheel)
        for tag in parse_wheel_filename(wheel.filename)[3]
    }
    return sorted(found)


def with_setuptools_cap(requirements: Requirements, target: Target) -> Requirements:
    """The requirements, with the setuptools bound that some PyFlink releases need and omit.

    Beam of Flink 1.17 to 1.20.3 imports ``pkg_resources``, which setuptools 82 removed.
    """
    if not target.needs_setuptools_cap:
        return requirements
    return combined(requirements, read_requirements(packages=["setuptools<82"]))
