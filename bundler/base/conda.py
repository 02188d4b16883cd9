"""conda environments as bases: solved and installed by py-rattler, packed by conda-pack.

No conda is needed on this machine, and the target need not be this machine: packages are taken
for its platform, with virtual packages that say what it has.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
import warnings
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from bundler.archive.content import blocks
from bundler.archive.entry import Entry, Inline, OnDisk
from bundler.archive.links import is_inside
from bundler.base.environment import CondaEnvironment, read_environment, read_yaml
from bundler.base.prefix import STANDARD_LIBRARY_LEFT_OUT
from bundler.base.solver import (
    CondaProblem,
    Solution,
    install,
    missing_from_cache,
    read_lock,
    solve,
    write_lock,
)
from bundler.base.store import NewBase, keep, key_of
from bundler.elf.info import read_elf_file
from bundler.errors import BuildError, ResolutionError, UsageError, not_cached
from bundler.session import Session
from bundler.support.untar import untar

if TYPE_CHECKING:
    from bundler.base.model import Base
    from bundler.lock.policy import LockPolicy
    from bundler.support.progress import Progress
    from bundler.target import Target

_LARGEST = 64 << 30

DEFAULT_CHANNEL = "conda-forge"

_LEFT_OUT = re.compile(
    r"(conda-meta|pkgs|man|include/python[\d.]+[a-z]*)/"
    r"|share/(man|doc|info|locale|gtk-doc|terminfo)/"
    r"|lib/(terminfo|pkgconfig|cmake)/"
    r"|bin/(activate|deactivate)(\.fish)?$"
    r"|(.*/)?__pycache__/"
    r"|.*\.(pyc|a)$"
)


def make_conda_base(
    target: Target,
    session: Session,
    *,
    environment: Path | None = None,
    channels: Sequence[str] = (),
    lock: Path | None = None,
    policy: LockPolicy = "keep",
) -> Base:
    """Solve, install and pack a conda environment for ``target``.

    ``environment`` is an environment.yml (without one: just Python); ``channels`` come before
    those it names. If ``lock`` exists its packages are taken as they are, otherwise what was
    solved is written there; ``policy`` says otherwise. ``pip:`` requirements come back in
    ``Base.requirements``: they belong to the resolution of the other packages. Channel names are
    completed by CONDA_CHANNEL_ALIAS or ``channel_alias`` of .condarc. Packages' link scripts do
    not run.

    Raises UsageError for a bad file, ResolutionError if there is no solution or the lock is
    stale, FetchError if a channel or package could not be fetched, BuildError if packing fails.
    """
    wanted = read_environment(environment) if environment else CondaEnvironment()
    python = f"=={target.python}" if target.python.count(".") == 2 else f"{target.python}.*"
    problem = CondaProblem(
        tuple(channels) + wanted.channels or (DEFAULT_CHANNEL,),
        (*wanted.specs, f"python {python}"),
        target,
        channel_alias(),
    )
    packages = session.cache.root / "conda"
    solution = _locked(lock, problem, policy, session.progress)
    if solution is None:
        with session.progress.task("Solving the conda environment"):
            solution = solve(problem, packages, session)
        if lock is not None and policy != "fit":
            write_lock(lock, solution)
    version = next(item.version for item in solution.packages if item.name == "python")
    reason = f"conda's Python {version} with {len(solution.packages)} packages" + (
        f" of {environment}" if environment else ""
    )

    def make(staging: Path) -> NewBase:
        if session.offline and (missing := missing_from_cache(problem, solution, packages)):
            raise not_cached(f"the conda package {missing}")
        prefix = staging / "prefix"
        install(problem, solution, prefix, packages, session.progress)
        return _pack(prefix, staging, target, session.progress)

    identity = key_of(
        "conda",
        [package.url for package in solution.packages],
        [package.sha256 for package in solution.packages],
    )
    base = keep(session, identity, "conda", reason, make)
    return replace(base, requirements=wanted.requirements)


def pack_conda_prefix(prefix: Path, target: Target, session: Session) -> Base:
    """Pack an environment that conda, mamba or micromamba made, pip-installed packages included.

    Raises UsageError if ``prefix`` is not a conda environment, or holds another Python or
    architecture than the target's, BuildError if conda-pack refuses it.
    """
    meta = prefix / "conda-meta"
    if not meta.is_dir():
        raise UsageError(
            f"{prefix} is not a conda environment: it has no conda-meta folder.",
            "Expected a folder that conda, mamba or micromamba made.",
            "Give the environment's own folder with --from-prefix (conda env list shows it).",
        )
    executable = prefix / "bin" / f"python{target.python_minor}"
    if not executable.is_file():
        found = sorted(path.name for path in (prefix / "bin").glob("python[23].*[0-9]"))
        raise UsageError(
            f"{prefix} does not have Python {target.python_minor}; it has "
            f"{', '.join(found) or 'none'}.",
            f"The target is Python {target.python}.",
            "Change --python, or create the environment with that Python.",
        )
    info = read_elf_file(executable.resolve())
    if info is None or info.machine != target.architecture:
        raise UsageError(
            f"{executable} is for {info.machine if info else 'an unknown architecture'}.",
            f"The target is {target.architecture}.",
            "Choose an environment for that architecture, or use --base conda with an "
            "environment.yml.",
        )
    stats = [
        (path.name, path.stat().st_size, path.stat().st_mtime_ns)
        for path in (*sorted(meta.glob("*")), prefix / _site_packages(target), prefix / "bin")
        if path.exists()
    ]
    identity = key_of("conda-prefix", str(prefix.resolve()), target.python_minor, stats)

    def make(staging: Path) -> NewBase:
        return _pack(prefix.resolve(), staging, target, session.progress)

    return keep(session, identity, "conda", f"the conda environment {prefix}", make)


def channel_alias() -> str | None:
    """The URL before bare channel names, as conda is told: CONDA_CHANNEL_ALIAS, then .condarc."""
    if given := os.environ.get("CONDA_CHANNEL_ALIAS"):
        return given
    path = Path(os.environ.get("CONDARC") or Path.home() / ".condarc")
    try:
        settings = read_yaml(path, "conda's configuration")
    except UsageError:
        return None
    alias = settings.get("channel_alias") if isinstance(settings, dict) else None
    return alias if isinstance(alias, str) else None


def _locked(
    lock: Path | None, problem: CondaProblem, policy: LockPolicy, progress: Progress
) -> Solution | None:
    if lock is None or policy == "renew" or not lock.exists():
        return None
    try:
        return read_lock(lock, problem)
    except ResolutionError as error:
        if policy in ("keep", "check"):
            raise
        progress.note(f"{error.found} Solving again.")
        return None


def _site_packages(target: Target) -> str:
    return f"lib/python{target.python_minor}/site-packages"


def _pack(prefix: Path, staging: Path, target: Target, progress: Progress) -> NewBase:
    from conda_pack import CondaEnv, CondaPackException

    archive, unpacked = staging / "packed.tar", staging / "packed"
    try:
        with progress.task("Packing the conda environment"), warnings.catch_warnings():
            # Packages whose cache is gone are searched for the prefix instead: slower, as good.
            warnings.simplefilter("ignore")
            environment = CondaEnv.from_prefix(str(prefix)).exclude("CACHEDIR.TAG")
            environment.pack(output=str(archive), format="tar")
    except CondaPackException as error:
        words = " ".join(str(error).split())
        raise BuildError(
            f"conda-pack refused {prefix}: {words[:400]}",
            "Expected every file of every package to be there, and no editable installs.",
            "Reinstall the packages it names, the editable ones without -e.",
        ) from error
    untar(archive, unpacked, what=f"The environment {prefix}", largest=_LARGEST)
    archive.unlink()
    found = sorted(_entries(unpacked, target), key=lambda entry: entry.name)
    names = [entry.name for entry in found]
    known = {*names, *(str(folder) for name in names for folder in PurePosixPath(name).parents)}
    entries = tuple(entry for entry in found if _leads_somewhere(entry, known))
    return NewBase(
        _python_version(prefix),
        entries,
        _site_packages(target),
        f"bin/python{target.python_minor}",
        tuple(sorted(_distributions(names, _site_packages(target)))),
    )


def _entries(folder: Path, target: Target) -> Iterator[Entry]:
    library = f"lib/python{target.python_minor}/"
    for parent, folders, names in os.walk(folder):
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for file in (*names, *links):
            path = Path(parent, file)
            name = path.relative_to(folder).as_posix()
            inside = name.removeprefix(library)
            in_library = inside != name and not inside.startswith("site-packages/")
            if _LEFT_OUT.match(name) or (in_library and STANDARD_LIBRARY_LEFT_OUT.match(inside)):
                continue
            if path.is_symlink():
                yield Entry(name, stat.S_IFLNK | 0o755, Inline(str(path.readlink()).encode()))
                continue
            status = path.stat()
            mode = stat.S_IFREG | (0o755 if status.st_mode & 0o100 else 0o644)
            yield Entry(name, mode, OnDisk(path, status.st_size))


def _leads_somewhere(entry: Entry, known: Set[str]) -> bool:
    if not entry.is_symlink:
        return True
    target = "".join(block.decode() for block in blocks(entry.content))
    where = posixpath.normpath(posixpath.join(posixpath.dirname(entry.name), target))
    return is_inside(entry.name, target) and where in known


def _distributions(names: Iterable[str], site_packages: str) -> set[tuple[str, str]]:
    pattern = re.compile(rf"{re.escape(site_packages)}/([^/]+?)-([^/-]+)[^/]*\.(dist|egg)-info")
    found = filter(None, map(pattern.match, names))
    return {(canonicalize_name(match[1]), match[2]) for match in found}


def _python_version(prefix: Path) -> str:
    for path in (prefix / "conda-meta").glob("python-3*.json"):
        return path.name.split("-")[1]
    raise BuildError(
        f"{prefix} has no Python among its conda packages.",
        "Expected a package named python.",
        "Add python to the environment's dependencies.",
    )
