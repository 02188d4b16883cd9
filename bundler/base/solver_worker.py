"""The process that solves and installs conda packages: a question in, messages and an answer out.

The only module that talks to py-rattler. A question is one line of JSON on standard input, every
message one line on standard output: ``advance`` and ``output`` while it works, at the end the
answer or ``error``. It ends without the interpreter's own end, in which threads of py-rattler that
are left over after an error crash it.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

from bundler.errors import (
    BuildError,
    BundlerError,
    FetchError,
    ResolutionError,
    UsageError,
    not_cached,
)

_ENVIRONMENT = "default"
# A kernel that every machine with the oldest glibc still in service has (RHEL 8, Debian 11).
_LINUX = "4.18"


@dataclass(frozen=True, slots=True)
class _Problem:
    """As `bundler.base.solver.CondaProblem.as_json` tells it."""

    channels: Sequence[str]
    specs: Sequence[str]
    alias: str | None
    subdir: str
    architecture: str
    glibc: str
    described: str


def main() -> None:
    """Answer the one question on standard input."""
    # What libraries print must not get among the messages.
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    question = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    resource.setrlimit(resource.RLIMIT_DATA, (question["memory"],) * 2)
    status = 0
    try:
        _say(out, _answer(question, out))
    except BundlerError as error:
        parts = {"found": error.found, "expected": error.expected, "remedy": error.remedy}
        _say(out, {"error": {"kind": type(error).__name__, **parts}})
    except BaseException as error:
        print(f"{type(error).__name__}: {_one_line(error)}", file=sys.stderr, flush=True)
        status = 1
    os._exit(status)


def _end_with_parent() -> None:
    # Nothing more is sent; the end of the stream is the end of who asked.
    sys.stdin.buffer.read()
    os._exit(1)


def _say(out: Any, message: object) -> None:
    print(json.dumps(message), file=out, flush=True)


def _answer(question: dict[str, Any], out: Any) -> dict[str, object]:
    problem = _Problem(**question["problem"])
    kind = question["kind"]
    if kind == "solve":
        return _described(problem, _solve(problem, question["folder"], question["offline"], out))
    if kind == "read":
        return _described(problem, _read_lock(Path(question["path"]), problem))
    records = _records_of(question["lock"], problem)
    if kind == "missing":
        return {"missing": _missing(records, question["folder"])}
    _install(problem, records, question["prefix"], question["folder"], out)
    return {"installed": len(records)}


def _described(problem: _Problem, records: Sequence[rattler.RepoDataRecord]) -> dict[str, object]:
    rows = [
        (
            str(record.name.normalized),
            str(record.version),
            str(record.url),
            record.sha256.hex() if record.sha256 else "",
        )
        for record in records
    ]
    return {"packages": rows, "lock": _lock_text(problem, records)}


def _solve(problem: _Problem, folder: str, offline: bool, out: Any) -> list[rattler.RepoDataRecord]:
    channels = _channels(problem)
    action = rattler.repo_data.gateway.SourceConfig(
        cache_action="force-cache-only" if offline else "cache-or-fetch"
    )
    gateway = rattler.Gateway(cache_dir=Path(folder), default_config=action, client=_client())
    names = ", ".join(problem.channels)
    try:
        records = asyncio.run(
            rattler.solve(
                sources=channels,
                specs=_specs(problem),
                gateway=gateway,
                platforms=[rattler.Subdir(problem.subdir), rattler.Subdir("noarch")],
                virtual_packages=_virtual_packages(problem),
            )
        )
    except SolverError as error:
        for line in str(error).splitlines():
            _say(out, {"output": line})
        raise ResolutionError(
            f"The conda environment has no solution for {problem.described}.",
            _one_line(error),
            "Loosen that requirement, add a channel that has it, or choose a newer --platform.",
        ) from error
    except (GatewayError, FetchRepoDataError) as error:
        if offline:
            raise not_cached(f"the package lists of {names}") from error
        raise FetchError(
            f"A conda channel could not be read: {_one_line(error)}",
            f"Expected {problem.subdir}/repodata.json in each of: {names}.",
            "Check the channel names, or set CONDA_CHANNEL_ALIAS to a mirror you can reach.",
        ) from error
    return sorted(records, key=lambda record: str(record.name.normalized))


def _lock_text(problem: _Problem, records: Sequence[rattler.RepoDataRecord]) -> str:
    platform = rattler.LockPlatform(problem.subdir)
    lock = rattler.LockFile([platform])
    lock.set_channels(_ENVIRONMENT, [channel.to_lock_channel() for channel in _channels(problem)])
    for record in records:
        lock.add_conda_package(_ENVIRONMENT, platform, record)
    with tempfile.NamedTemporaryFile() as file:
        lock.to_path(Path(file.name))
        return Path(file.name).read_text(encoding="utf-8")


def _read_lock(path: Path, problem: _Problem) -> list[rattler.RepoDataRecord]:
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
            f"Expected a solution of the current requirements for {problem.described}.",
            "Run `bundle lock` to solve again.",
        )
    return sorted(records, key=lambda record: str(record.name.normalized))


def _records_of(lock: str, problem: _Problem) -> list[rattler.RepoDataRecord]:
    with tempfile.NamedTemporaryFile(suffix=".lock") as file:
        Path(file.name).write_text(lock, encoding="utf-8")
        environment = rattler.LockFile.from_path(Path(file.name)).environment(_ENVIRONMENT)
    return _locked_records(environment, problem)


def _install(
    problem: _Problem, records: list[rattler.RepoDataRecord], prefix: str, folder: str, out: Any
) -> None:
    try:
        asyncio.run(
            rattler.install(
                records,
                prefix,
                cache_dir=Path(folder),
                platform=rattler.Subdir(problem.subdir),
                execute_link_scripts=False,
                client=_client(),
                reporter=_Reporter(out),  # type: ignore[abstract]
            )
        )
    except InstallerError as error:
        kind = FetchError if "fetch" in str(error) else BuildError
        raise kind(
            f"The conda packages could not be installed: {_one_line(error)}",
            "Expected each with the hash that its channel or the lock names.",
            "Try again; if a package changed in its channel, run `bundle lock`.",
        ) from error


def _missing(records: Sequence[rattler.RepoDataRecord], folder: str) -> str | None:
    async def index() -> rattler.package_cache.CacheIndex:
        return await rattler.PackageCache(folder).index()

    found = asyncio.run(index())
    return next(
        (str(record.file_name) for record in records if not found.contains_record(record)), None
    )


class _Reporter(rattler.InstallerReporter):
    def __init__(self, out: Any) -> None:
        self._out = out

    def on_transaction_operation_complete(self, operation: int) -> None:
        _say(self._out, {"advance": 1})


def _channels(problem: _Problem) -> list[rattler.Channel]:
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


def _specs(problem: _Problem) -> list[rattler.MatchSpec]:
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


def _virtual_packages(problem: _Problem) -> list[rattler.GenericVirtualPackage]:
    facts = [
        ("__unix", "0", "0"),
        ("__linux", _LINUX, "0"),
        ("__glibc", problem.glibc, "0"),
        ("__archspec", "1", problem.architecture),
    ]
    return [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version), rattler.BuildString(build)
        )
        for name, version, build in facts
    ]


def _locked_records(
    environment: rattler.Environment | None, problem: _Problem
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
    problem: _Problem,
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
    glibc = rattler.Version(problem.glibc)
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


def _client() -> rattler.Client:
    """A client with rattler's configured mirrors, proxies and credentials."""
    return rattler.Client.from_config(rattler.Config.load_from_default_locations("rattler"))


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).replace("│", " ").split())
    return text if len(text) <= 600 else f"{text[:600]}…"
