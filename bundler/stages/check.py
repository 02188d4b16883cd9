"""Finished archives, unpacked and imported before anybody uploads them."""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bundler.errors import BundlerError, VerificationError
from bundler.session import Session
from bundler.stages.made_here import is_made_here
from bundler.stages.pack import Packed
from bundler.support.files import digest_of, sha256_of, whole_file
from bundler.support.interpreters import find_host
from bundler.support.progress import Progress
from bundler.target import Target
from bundler.verify.imports import ImportFailure, check_archives
from bundler.verify.shadow import hidden_packages
from bundler.verify.zips import check_archive


def check_packed(
    packed: Sequence[Packed],
    target: Target,
    session: Session,
    *,
    skip: Collection[str] = (),
    venv: Path | None = None,
    trust: bool = False,
) -> None:
    """Check each archive as Flink unpacks it, and import what they hold if the target runs here.

    ``venv`` is the venv.zip to use if none is among ``packed``, ``skip`` the modules that need not
    import. Archives that passed before are passed over. The Python of a ``venv`` that was not made
    on this machine is run only with ``trust``.

    Raises VerificationError naming the entry that a worker could not unpack, or the module that
    does not import. The archives are then called ``<name>.unchecked``: under its final name is
    only what passed.
    """
    if packed:
        with _set_aside_unless_passed(packed, session.progress):
            for item in packed:
                check_archive(item.archive.path)
            _check_imports(packed, target, session, skip, venv, trust=trust)


@contextmanager
def _set_aside_unless_passed(packed: Sequence[Packed], progress: Progress) -> Iterator[None]:
    """Renames the archives of ``packed`` if the block ends with an error, and says so."""
    paths = [item.archive.path for item in packed]
    aside = [path.with_name(f"{path.name}.unchecked") for path in paths]
    kept = f"What was built is kept as {', '.join(path.name for path in aside)}."
    try:
        yield
    except BaseException as error:
        for path, place in zip(paths, aside, strict=True):
            path.replace(place)
        if isinstance(error, BundlerError):
            error.remedy = f"{kept} {error.remedy}"
        else:
            progress.warn(f"The check did not end. {kept}")
        raise
    for place in aside:
        place.unlink(missing_ok=True)


def _check_imports(
    packed: Sequence[Packed],
    target: Target,
    session: Session,
    skip: Collection[str],
    venv: Path | None,
    *,
    trust: bool,
) -> None:
    progress = session.progress
    own = [item.archive.path for item in packed if item.kind == "venv"]
    deps = [item.archive.path for item in packed if item.kind == "deps"]
    if not own and not deps:
        return
    if sys.platform != "linux" or platform.machine() != target.architecture:
        progress.note(f"Imports not checked: {target.platform} does not run here.")
        return
    python = None
    if own:
        venv = own[0]
    elif venv is None:
        if (host := find_host(target)) is None:
            progress.note(
                f"Imports not checked: there is no Python {target.python_minor} here, and no "
                "venv.zip was given (--exclude-in)."
            )
            return
        python = host.interpreter.executable
    if venv is not None:
        _warn_of_hidden(venv, deps, progress)
        if not own and not trust and not is_made_here(venv, session):
            progress.warn(
                f"Imports not checked: {venv.name} was not made on this machine, and the check "
                "runs its Python.\nGive --trust if you know who made it."
            )
            return
    hashes = [item.archive.sha256 for item in packed if item.kind != "data"]
    if venv is not None and not own:
        hashes.append(sha256_of(venv))
    key = digest_of(json.dumps([hashes, str(python), sorted(skip)]).encode())
    passed = session.cache.path("checked", key, "report.json")
    if not passed.is_file():
        _import(venv, deps, python, skip, passed, progress)


def _import(
    venv: Path | None,
    deps: Sequence[Path],
    python: Path | None,
    skip: Collection[str],
    passed: Path,
    progress: Progress,
) -> None:
    """Import all modules; ``passed`` is the file that is written when they do."""
    report = check_archives(venv, deps, python, progress=progress)
    if failures := [failure for failure in report.failures if failure.module not in skip]:
        raise _not_importable(failures)
    with whole_file(passed) as temporary:
        temporary.write_text(json.dumps({"modules": report.modules}))
    names = ", ".join(path.name for path in [*([venv] if venv else []), *deps])
    progress.note(f"{names}: {report.modules} modules import ({report.seconds:.1f} s)")


def _warn_of_hidden(venv: Path, deps: Sequence[Path], progress: Progress) -> None:
    for archive in deps:
        if hidden := hidden_packages(venv, archive):
            progress.warn(
                f"{archive.name} shadows packages in {venv.name} with other versions: "
                f"{', '.join(hidden)}.\nPyFlink itself will import those of {archive.name}.\n"
                "Build both together with `bundle build`, or test the job well."
            )


def _not_importable(failures: Sequence[ImportFailure]) -> VerificationError:
    first = failures[0]
    others = [failure.module for failure in failures[1:]]
    reason = first.error.splitlines()[-1] if first.error else "no reason given"
    return VerificationError(
        f"{first.module} of {first.distribution} cannot be imported: {reason}",
        f"Neither do: {', '.join(others)}." if others else "",
        "Add what is missing to the requirements; or, if the job does without it, name it in "
        "skip-imports.",
    )
