"""conda packages for a target that this machine need not be: solving, locking, installing.

The only module that talks to py-rattler.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import rattler
from rattler.exceptions import (
    FetchRepoDataError,
    GatewayError,
    InstallerError,
    InvalidChannelError,
    InvalidMatchSpecError,
    ParseCondaLockError,
    SolverError,
)

from bundler.errors import BuildError, FetchError, ResolutionError, UsageError, not_cached
from bundler.session import Session
from bundler.support.files import whole_file

if TYPE_CHECKING:
    from bundler.support.progress import Progress, Task
    from bundler.target import Target

_SUBDIRS = {"x86_64": "linux-64", "aarch64": "linux-aarch64"}
_ENVIRONMENT = "default"
# A kernel that every machine with the oldest glibc still in service has (RHEL 8, Debian 11).
_LINUX = "4.18"

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class CondaProblem:
    """What to solve: channel names or URLs by priority, match specifications, and for what.

    ``alias`` completes bare channel names; None for rattler's own.
    """

    channels: tuple[str, ...]
    specs: tuple[str, ...]
    target: Target
    alias: str | None = None

    @property
    def subdir(self) -> str:
        """The name that conda gives the target's platform, such as ``linux-64``."""
        return _SUBDIRS[self.target.architecture]


def solve(problem: CondaProblem, folder: Path, session: Session) -> list[rattler.RepoDataRecord]:
    """The packages that satisfy ``problem``, sorted by name; repodata is kept in ``folder``.

    ``offline`` uses only kept repodata. Raises ResolutionError with the solver's explanation
    (given whole to ``progress.output``), FetchError when a channel cannot be read, UsageError for
    a malformed channel or specification.
    """
    channels = _channels(problem)
    action = rattler.repo_data.gateway.SourceConfig(
        cache_action="force-cache-only" if session.offline else "cache-or-fetch"
    )
    gateway = rattler.Gateway(
        cache_dir=folder / "repodata", default_config=action, client=_client()
    )
    names = ", ".join(problem.channels)
    try:
        records = _await(
            rattler.solve(
                sources=channels,
                specs=_specs(problem),
                gateway=gateway,
                platforms=[rattler.Subdir(problem.subdir), rattler.Subdir("noarch")],
                virtual_packages=_virtual_packages(problem.target),
            )
        )
    except SolverError as error:
        for line in str(error).splitlines():
            session.progress.output(line)
        raise ResolutionError(
            f"The conda environment has no solution for {problem.target.describe()}.",
            _one_line(error),
            "Loosen that requirement, add a channel that has it, or choose a newer --platform.",
        ) from error
    except (GatewayError, FetchRepoDataError) as error:
        if session.offline:
            raise not_cached(f"the package lists of {names}") from error
        raise FetchError(
            f"A conda channel could not be read: {_one_line(error)}",
            f"Expected {problem.subdir}/repodata.json in each of: {names}.",
            "Check the channel names, or set CONDA_CHANNEL_ALIAS to a mirror you can reach.",
        ) from error
    return sorted(records, key=lambda record: str(record.name.normalized))


def write_lock(
    path: Path, problem: CondaProblem, records: Sequence[rattler.RepoDataRecord]
) -> None:
    """Keep ``records`` in ``path``: URLs, hashes and all, in the format of rattler-lock."""
    platform = rattler.LockPlatform(problem.subdir)
    lock = rattler.LockFile([platform])
    lock.set_channels(_ENVIRONMENT, [channel.to_lock_channel() for channel in _channels(problem)])
    for record in records:
        lock.add_conda_package(_ENVIRONMENT, platform, record)
    with whole_file(path) as temporary:
        lock.to_path(temporary)


def read_lock(path: Path, problem: CondaProblem) -> list[rattler.RepoDataRecord]:
    """The packages kept in ``path``, if they are a solution of ``problem``.

    Raises UsageError if it is not such a file, ResolutionError saying what is stale if it is a
    solution of something else.
    """
    try:
        environment = rattler.LockFile.from_path(path).environment(_ENVIRONMENT)
    except (ParseCondaLockError, OSError) as error:
        raise UsageError(
            f"{path} is not a lock of conda packages: {_one_line(error)}",
            "Expected the file that an earlier run wrote.",
            "Run `bundle lock` to solve again.",
        ) from error
    records = _locked_records(environment, problem)
    if why := _stale(environment, records, problem):
        raise ResolutionError(
            f"{path} is stale: {why}.",
            f"Expected a solution of the current requirements for {problem.target.describe()}.",
            "Run `bundle lock` to solve again.",
        )
    return sorted(records, key=lambda record: str(record.name.normalized))


def install(
    problem: CondaProblem,
    records: Sequence[rattler.RepoDataRecord],
    prefix: Path,
    folder: Path,
    progress: Progress,
) -> None:
    """Download what ``folder`` does not hold yet and link ``records`` into ``prefix``.

    Hashes are checked; packages' own scripts do not run. Raises FetchError or BuildError.
    """
    with progress.task("Installing conda packages", len(records), "packages") as task:
        try:
            _await(
                rattler.install(
                    list(records),
                    prefix,
                    cache_dir=folder / "pkgs",
                    platform=rattler.Subdir(problem.subdir),
                    execute_link_scripts=False,
                    client=_client(),
                    reporter=_Reporter(task),  # type: ignore[abstract]
                )
            )
        except InstallerError as error:
            kind = FetchError if "fetch" in str(error) else BuildError
            raise kind(
                f"The conda packages could not be installed: {_one_line(error)}",
                "Expected each with the hash that its channel or the lock names.",
                "Try again; if a package changed in its channel, run `bundle lock`.",
            ) from error


def missing_from_cache(records: Sequence[rattler.RepoDataRecord], folder: Path) -> str | None:
    """The file name of a package that ``folder`` lacks; None if it holds all of them."""
    index = _await(_index(folder))
    for record in records:
        if not index.contains_record(record):
            return record.file_name
    return None


class _Reporter(rattler.InstallerReporter):
    def __init__(self, task: Task) -> None:
        self._task = task

    def on_transaction_operation_complete(self, operation: int) -> None:
        self._task.advance()


def _channels(problem: CondaProblem) -> list[rattler.Channel]:
    root = str(Path.cwd())
    config = (
        rattler.ChannelConfig(problem.alias, root)
        if problem.alias
        else rattler.ChannelConfig(root_dir=root)
    )
    channels = []
    for name in problem.channels:
        if name == "defaults":
            raise UsageError(
                "'defaults' is not a channel: it stands for a list in conda's own configuration.",
                "Expected names or URLs of channels.",
                "Replace it with the channels you mean, such as conda-forge.",
            )
        try:
            channels.append(rattler.Channel(name, config))
        except InvalidChannelError as error:
            raise UsageError(
                f"'{name}' is not a conda channel: {_one_line(error)}",
                "Expected a name, a URL or a path.",
                "Change it in the environment file, or in --channel or venv.channels.",
            ) from error
    return channels


def _specs(problem: CondaProblem) -> list[rattler.MatchSpec]:
    specs = []
    for text in problem.specs:
        try:
            specs.append(rattler.MatchSpec(text))
        except InvalidMatchSpecError as error:
            raise UsageError(
                f"'{text}' is not a conda match specification: {_one_line(error)}",
                "Expected a name and a version, such as numpy>=1.26 or python=3.11.",
                "Change it under dependencies in the environment file.",
            ) from error
    return specs


def _virtual_packages(target: Target) -> list[rattler.GenericVirtualPackage]:
    facts = [
        ("__unix", "0", "0"),
        ("__linux", _LINUX, "0"),
        ("__glibc", ".".join(map(str, target.glibc)), "0"),
        ("__archspec", "1", target.architecture),
    ]
    return [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
        )
        for name, version, build in facts
    ]


def _locked_records(
    environment: rattler.Environment | None, problem: CondaProblem
) -> list[rattler.RepoDataRecord]:
    if environment is None:
        return []
    for platform in environment.platforms():
        if str(platform.subdir) == problem.subdir:
            return environment.conda_repodata_records_for_platform(platform) or []
    return []


def _stale(
    environment: rattler.Environment | None,
    records: list[rattler.RepoDataRecord],
    problem: CondaProblem,
) -> str:
    """What makes ``records`` not a solution of ``problem``; empty if nothing does."""
    if environment is None or not records:
        return f"it has no packages for {problem.subdir}"
    locked = [str(channel) for channel in environment.channels()]
    if locked != [str(channel.to_lock_channel()) for channel in _channels(problem)]:
        return f"it was made with the channels {', '.join(locked)}"
    wanted: set[str] = set()
    for spec in _specs(problem):
        if not any(spec.matches(record) for record in records):
            return f"none of its packages matches {spec}"
        wanted.update(str(r.name.normalized) for r in records if spec.matches(r))
    by_name = {str(record.name.normalized): record for record in records}
    glibc = rattler.Version(".".join(map(str, problem.target.glibc)))
    open_ends = list(wanted)
    while open_ends:
        record = by_name[open_ends.pop()]
        for dependency in record.depends:
            name, _, version = dependency.partition(" ")
            if name == "__glibc" and version and not rattler.VersionSpec(version).matches(glibc):
                return f"{record.file_name} needs glibc {version}"
            if name in by_name and name not in wanted:
                wanted.add(name)
                open_ends.append(name)
    if extra := sorted(set(by_name) - wanted):
        return f"{extra[0]} is no longer required"
    return ""


async def _index(folder: Path) -> rattler.package_cache.CacheIndex:
    return await rattler.PackageCache(folder / "pkgs").index()


def _client() -> rattler.Client:
    """A client with rattler's configured mirrors, proxies and credentials."""
    return rattler.Client.from_config(rattler.Config.load_from_default_locations("rattler"))


def _await(work: Coroutine[object, object, _Result]) -> _Result:
    return asyncio.run(work)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).replace("│", " ").split())
    return text if len(text) <= 600 else f"{text[:600]}…"
