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
from packaging.pylock import Package, PackageSdist, PackageWheel, Pylock
from packaging.utils import parse_wheel_filename

from bundler.errors import MetadataError, ResolutionError
from bundler.lock.pylock import Lock, LockInputs, make_lock, moved
from bundler.lock.requirements import Requirements
from bundler.session import Session
from bundler.support.index import index_settings
from bundler.support.process import Finished
from bundler.support.toml import tomllib
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
        options = [] if self.dependencies else ["no-deps"]
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
        unfit = set(_with_unfit_wheels(pylock, target))
        refused: set[str] = set()
        while unfit - refused:
            attempt, refused = solver.solve_with_wheels(unfit, refused)
            if attempt is None:
                break
            pylock = solver.complete(attempt)
            more = set(_with_unfit_wheels(pylock, target)) | unfit
            if more == unfit:
                break
            unfit = more
    packages = [_allowed(package, problem.requirements) for package in pylock.packages]
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return make_lock(packages, pylock, problem.inputs(target), now, folder)


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
        problem = self.problem
        arguments: list[str | Path] = ["--python-platform", self.target.uv_platform]
        if problem.requirements.packages:
            arguments.append(self._file("requirements.in", problem.requirements.packages))
        arguments += [file.resolve() for file in problem.requirements.files]
        if problem.constraints:
            arguments += ["--constraints", self._file("constraints.txt", problem.constraints)]
        if not problem.jars:
            arguments += ["--overrides", self._file("overrides.txt", [_WITHOUT_JARS])]
        if not problem.dependencies:
            arguments.append("--no-deps")
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
        return moved(Pylock.from_dict(tomllib.loads(out.read_text())), self.scratch, self.folder)

    def complete(self, pylock: Pylock) -> Pylock:
        """The same, with all published wheels of those packages that have none for the target.

        uv leaves out files that do not fit; to say what exists, and to know whether another
        release may have what is missing, they are needed.
        """
        pins = [
            f"{package.name}=={package.version}"
            for package in pylock.packages
            if package.sdist and not package.wheels
        ]
        if not pins:
            return pylock
        lines = [*self.problem.requirements.indexes, *pins]
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
        return Pylock.from_dict(tomllib.loads(self._run(arguments)))

    def _run(self, arguments: Sequence[str | Path]) -> str:
        version = ["--python-version", self.target.python_full]
        finished = uv_compile(
            [*version, *arguments],
            self.folder,
            offline=self.offline,
            default_index=not self.problem.requirements.replaces_index,
        )
        if finished.returncode != 0:
            raise _unsolvable(finished.stderr, self.target, self.problem)
        return finished.stdout


def _with_unfit_wheels(pylock: Pylock, target: Target) -> Iterator[str]:
    for package, source in Lock(pylock, Path()).select(target):
        if isinstance(source, PackageSdist) and package.wheels:
            yield str(package.name)


def _unsolvable(stderr: str, target: Target, problem: Problem) -> ResolutionError:
    if "build backend returned an error" in stderr:
        said = [line.strip() for line in stderr.partition("\n\nhint: ")[0].splitlines()]
        last = next((line for line in reversed(said) if line), "")
        return MetadataError(
            f"No solution for {target.describe()}: a source does not tell what it requires: {last}",
            "Its build backend, run by this machine's Python, failed.",
            "Resolve in the target's image with --builder auto or container.",
        )
    text = re.sub(r"^\s*(error|cause|×|╰─▶|├─▶)[: ]\s*", "", stderr.strip(), flags=re.MULTILINE)
    text = text.replace("No solution found when resolving dependencies\n", "").strip()
    explanation, _, hint = text.partition("\n\nhint: ")
    explanation = " ".join(explanation.split())
    hint = " ".join(hint.replace("hint: ", "").split())
    if "offline" in explanation.lower() or "network was disabled" in hint.lower():
        remedy = "Run once without --offline, or keep a lock beside the requirements."
    elif "not found in the package registry" in explanation or "no version" in explanation:
        remedy = "Check the name and the version; a private index goes into PIP_INDEX_URL."
    elif "wheels are available" in hint.lower() or "no usable wheels" in explanation:
        remedy = (
            "Allow another version, a newer --platform, or build it from source in a container."
        )
    elif "Git operation failed" in explanation:
        remedy = "Check the address and the revision, and that git may read it from here."
    elif problem.constraints and "because" in explanation.lower():
        remedy = "Loosen one of these; versions that venv.zip holds are fixed for deps.zip."
    else:
        remedy = "Loosen one of these requirements."
    if "error sending request" in stderr or "Failed to fetch" in stderr:
        remedy = "Check the network, PIP_INDEX_URL, HTTPS_PROXY and SSL_CERT_FILE."
    return ResolutionError(f"No solution for {target.describe()}: {explanation}", hint, remedy)


def _allowed(package: Package, requirements: Requirements) -> Package:
    """The package with only those files whose hash the requirements allow."""
    allowed = requirements.hashes.get(str(package.name))
    if not allowed:
        return package
    wheels = [wheel for wheel in package.wheels or () if wheel.hashes.get("sha256") in allowed]
    sdist = package.sdist if package.sdist and package.sdist.hashes["sha256"] in allowed else None
    if wheels or sdist or not (package.wheels or package.sdist):
        return replace(package, sdist=sdist, wheels=wheels or None)
    offered: list[PackageWheel | PackageSdist] = [*(package.wheels or ())]
    if package.sdist:
        offered.append(package.sdist)
    raise ResolutionError(
        f"No file of {package.name} {package.version} has a hash that the requirements allow.",
        "The index offers "
        + ", ".join(
            f"{file.filename} sha256:{file.hashes['sha256'][:12]}..." for file in offered[:3]
        )
        + f"; allowed: {', '.join(sorted(f'{digest[:12]}...' for digest in allowed))}.",
        "Correct the --hash options (`pip-compile --generate-hashes` writes them), and find out "
        "why the file changed.",
    )


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
    extra = "setuptools<82"
    return replace(
        requirements,
        packages=(*requirements.packages, extra),
        lines=tuple(sorted({*requirements.lines, extra})),
    )
