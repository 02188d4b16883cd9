"""Sources -> wheels on this machine: what is pure Python, and what this machine may compile.

``uv build`` runs the project's own build backend in an isolated environment (PEP 517). The first
attempt has no compiler: projects with an optional extension then give a pure wheel, which runs
anywhere; a wheel compiled here would need this machine's glibc over there.
"""

from __future__ import annotations

import platform
import re
import sys
import tempfile
from pathlib import Path

from packaging.utils import parse_wheel_filename

from bundler.archive.zipformat import FIRST_TIME
from bundler.errors import BuildError, BundlerError
from bundler.session import Session
from bundler.support.cache import is_kept
from bundler.support.files import digest_of
from bundler.support.index import index_settings
from bundler.support.process import Finished
from bundler.support.uv import run_uv
from bundler.target import Target
from bundler.wheels.built import settle, wheel_name
from bundler.wheels.sources import Source
from bundler.wheels.trees import check_sdist, copy_tree

# Part of every key: to be raised when the same source would give another wheel than before.
_RECIPE = "2"
_BUILD_SECONDS = 1800.0
_NO_COMPILER = {"CC": "false", "CXX": "false", "FC": "false", "CARGO": "false"}


class TargetNeededError(BundlerError):
    """A source must be compiled, and this machine is not like the target."""

    exit_code = BuildError.exit_code


def build_locally(source: Source, target: Target, session: Session) -> Path:
    """A wheel of ``source`` that fits ``target``, from the cache if it was built before.

    Raises TargetNeededError if it has to be compiled and this machine's Python, architecture or
    glibc is not the target's; BuildError if the build fails.
    """
    compiles_here = _satisfies(target)
    kept = session.cache.path(
        "built",
        digest_of(f"{_RECIPE} {source.digest} {source.created} {sys.version_info[:2]}".encode()),
        "wheel",
    )
    if found := _fitting(kept, target):
        return found
    with (
        session.progress.task(f"Building {source.label}"),
        tempfile.TemporaryDirectory(prefix="bundle-") as scratch,
    ):
        pure = _build(source, Path(scratch, "pure"), offline=session.offline, compiler=False)
        wheel = _result(source, Path(scratch, "pure"))
        if wheel is None and compiles_here:
            log = _build(source, Path(scratch, "compiled"), offline=session.offline, compiler=True)
            wheel = _result(source, Path(scratch, "compiled"))
            if wheel is None:
                raise _failed(source, log)
        if wheel is None:
            raise _needs_target(source, target, pure)
        if not _fits(wheel, target, compiles_here=compiles_here):
            raise _needs_target(source, target, None)
        settle(wheel)
        return session.cache.keep_file(wheel, kept / wheel.name)


def _result(source: Source, folder: Path) -> Path | None:
    """The wheel that a build left in ``folder``; None if it failed."""
    names = [path.name for path in folder.glob("*.whl")]
    return folder / wheel_name(names, source.name) if names else None


def _build(source: Source, out: Path, *, offline: bool, compiler: bool) -> Finished:
    settings = index_settings()
    command: list[str | Path] = ["build", "--wheel"]
    command += ["--python", sys.executable, "--out-dir", out, *settings.uv_arguments()]
    if offline:
        command.append("--offline")
    environment = {**settings.environment(), "SOURCE_DATE_EPOCH": str(FIRST_TIME)}
    if not compiler:
        environment |= _NO_COMPILER
    bound = ["--exclude-newer", source.created] if source.created else []
    path = source.path
    if path.is_dir():
        path = copy_tree(path, out.with_suffix(".source"))
    else:
        check_sdist(path)
    finished = run_uv([*command, *bound, path], env=environment, timeout=_BUILD_SECONDS)
    if finished.returncode != 0 and bound and "upload" in finished.stderr.lower():
        # An index without upload times (PEP 700 is optional) cannot be asked for a past state.
        finished = run_uv([*command, path], env=environment, timeout=_BUILD_SECONDS)
    return finished


def _satisfies(target: Target) -> bool:
    library, version = platform.libc_ver()
    glibc = tuple(int(part) for part in version.split(".")[:2]) if library == "glibc" else (99, 0)
    return (
        sys.platform == "linux"
        and platform.machine() == target.architecture
        and f"{sys.version_info[0]}.{sys.version_info[1]}" == target.python_minor
        and glibc <= target.glibc
    )


def _fitting(folder: Path, target: Target) -> Path | None:
    return next(
        (
            wheel
            for wheel in sorted(folder.glob("*.whl"))
            if is_kept(wheel) and _fits(wheel, target, compiles_here=_satisfies(target))
        ),
        None,
    )


def _fits(wheel: Path, target: Target, *, compiles_here: bool) -> bool:
    tags = parse_wheel_filename(wheel.name)[3]
    if not tags & set(target.tags):
        return False
    return compiles_here or any(tag.platform == "any" for tag in tags)


def _needs_target(source: Source, target: Target, log: Finished | None) -> TargetNeededError:
    exists = ", ".join(source.published[:6]) or "none"
    reason = (
        "it has compiled code" if log is None else f"without one, the build failed: {_last(log)}"
    )
    return TargetNeededError(
        f"{source.label} has no wheel for {target.describe()} and needs a compiler: {reason}.",
        f"Published wheels: {exists}. This machine: Python {sys.version_info[0]}."
        f"{sys.version_info[1]}, {platform.machine()}, {' '.join(platform.libc_ver())}.",
        "Build it in the target's image with --builder container, or choose a release that has a "
        "wheel.",
    )


def _failed(source: Source, log: Finished) -> BuildError:
    return BuildError(
        f"{source.label} did not build: {_last(log)}",
        "Its build backend failed although it could use a compiler.",
        "Build it alone with `pip wheel`, and install what it reports as missing.",
    )


def _last(log: Finished) -> str:
    """The line that says most: the last of what the build backend wrote, before uv's own."""
    said = re.split(r"(?m)^error: Failed to build", log.stderr)[0]
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else "no reason given"
