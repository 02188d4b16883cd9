"""PEP 751 lock files: read, written, and asked what a target takes from them.

Beside the packages, a lock carries a ``[tool.bundle]`` table: the target, the requirements it
answers, and the time it was made, which bounds the build tools of sdists.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w
from packaging.pylock import (
    Package,
    PackageArchive,
    PackageDirectory,
    PackageSdist,
    PackageVcs,
    PackageWheel,
    Pylock,
    PylockSelectError,
    PylockValidationError,
    is_valid_pylock_path,
)
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bundler.errors import ResolutionError, UsageError
from bundler.lock.sound import check_sound
from bundler.support.files import read_bounded, whole_file
from bundler.support.toml import parse_toml
from bundler.target import Target

Source = PackageWheel | PackageSdist | PackageVcs | PackageDirectory | PackageArchive

# An ssh user is no secret, and is needed.
_CREDENTIALS = re.compile(r"(?<=http://)[^/@\s]+@|(?<=https://)[^/@\s]+@")
_LARGEST = 64 << 20
_SHOWN = 300
_HEADER = "# Made by `bundle lock`; change the requirements, not this file.\n"


@dataclass(frozen=True, slots=True)
class LockInputs:
    """What a lock was made from: requirements for a target. Two that are equal share a lock.

    ``lines`` are logical requirement lines; ``options`` whatever else changes the answer
    (``no-deps``, ``keep-jars``); ``constraints`` the versions already fixed, as ``name==version``.
    """

    target: Target
    lines: tuple[str, ...]
    options: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()

    def table(self) -> dict[str, Any]:
        """As it is in ``[tool.bundle]``."""
        return {
            "flink": self.target.flink,
            "python": self.target.python,
            "platform": self.target.platform,
            "requirements": list(self.lines),
            "options": list(self.options),
            "constraints": list(self.constraints),
        }


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock and the folder that its relative paths start from."""

    pylock: Pylock
    folder: Path

    @property
    def table(self) -> Mapping[str, Any]:
        """``[tool.bundle]``; empty for a lock that another tool made."""
        found = (self.pylock.tool or {}).get("bundle", {})
        return found if isinstance(found, Mapping) else {}

    @property
    def versions(self) -> dict[str, str]:
        """The version of each package, by normalized name."""
        return {
            str(package.name): str(package.version)
            for package in self.pylock.packages
            if package.version is not None
        }

    @property
    def unversioned(self) -> frozenset[str]:
        """The packages, by normalized name, whose version only their build tells: source trees."""
        return frozenset(
            str(package.name) for package in self.pylock.packages if package.version is None
        )

    def undated(self) -> Lock:
        """The same without the time it was made, for a lock that is used once and not kept.

        What is built for it is then not bound to that moment, and found in the cache next time.
        """
        table = {key: value for key, value in self.table.items() if key != "created"}
        return Lock(replace(self.pylock, tool={"bundle": table}), self.folder)

    def answering(self, inputs: LockInputs) -> Lock:
        """The same, made at the same time, as the answer to ``inputs``."""
        created = str(self.table.get("created", ""))
        return make_lock(self.pylock.packages, self.pylock, inputs, created, self.folder)

    def select(self, target: Target) -> Iterator[tuple[Package, Source]]:
        """Each package of the lock with the file or source that ``target`` takes.

        Raises ResolutionError if a package has nothing for the target.
        """
        try:
            yield from self.pylock.select(
                environment=target.marker_environment,  # type: ignore[arg-type]
                tags=target.tags,
            )
        except PylockSelectError as error:
            raise ResolutionError(
                f"The lock does not fit {target.describe()}: {error}",
                remedy="Make one for this target with `bundle lock`.",
            ) from error

    def differences(self, inputs: LockInputs) -> list[str]:
        """Why this lock does not answer ``inputs``, for people; empty if it does.

        Of a lock that another tool made: what it lacks, or has in a version that is not wanted.
        """
        if not self.table:
            return list(self._lacks(inputs))
        wanted = inputs.table()
        reasons = [
            f"{key} was {self.table.get(key)}, is {wanted[key]}"
            for key in ("flink", "python", "platform")
            if self.table.get(key) != wanted[key]
            and not (key == "python" and _serves(str(self.table.get(key)), wanted[key]))
        ]
        for key, word in (("requirements", ""), ("options", "option "), ("constraints", "")):
            old, new = set(self.table.get(key, ())), set(wanted[key])
            reasons += [f"{_shown(line, word)} is new" for line in sorted(new - old)]
            reasons += [f"{_shown(line, word)} is gone" for line in sorted(old - new)]
        return reasons

    def _lacks(self, inputs: LockInputs) -> Iterator[str]:
        environment = inputs.target.marker_environment
        packages = {str(package.name): package for package in self.pylock.packages}
        for line in (*inputs.lines, *(f"constraint {pin}" for pin in inputs.constraints)):
            text = line.removeprefix("constraint ")
            try:
                wanted = Requirement(text.partition(" --hash")[0])
            except InvalidRequirement:
                continue  # an option, or a path: its name is not known before it is built
            if wanted.marker is not None and not wanted.marker.evaluate(environment):
                continue
            package = packages.get(canonicalize_name(wanted.name))
            if package is None:
                if text is line:
                    yield f"{wanted.name} is not in it"
            elif package.version is not None and not wanted.specifier.contains(
                package.version, prereleases=True
            ):
                yield (
                    f"the lock has {wanted.name} {package.version}, the requirements want "
                    f"{wanted.specifier}"
                )


def _shown(line: str, word: str) -> str:
    beside = line.removeprefix("beside ")
    return f"{word}{line}" if beside == line else f"{beside} of the other archive"


def _serves(locked: str, python: str) -> bool:
    """Whether a lock for the Python ``locked`` holds for ``python``: of that minor, no older.

    What a newer patch version makes superfluous (backports) does no harm.
    """
    first, second = locked.split("."), python.split(".")
    if first[:2] != second[:2]:
        return False
    return len(first) < 3 or len(second) < 3 or int(first[2]) <= int(second[2])


def read_lock(path: Path) -> Lock:
    """The lock at ``path``.

    Raises UsageError if it is not a regular file of at most 64 MiB, not a PEP 751 file, or says
    what cannot be right (`bundler.lock.sound.check_sound`).
    """
    data = read_bounded(path, _LARGEST, "a lock")
    try:
        return Lock(parse_pylock(data), path.parent)
    except ValueError as error:
        raise UsageError(
            f"{path} is not a valid lock: {error}.",
            "Expected a PEP 751 pylock file.",
            "Remove it and run `bundle lock`.",
        ) from error


def parse_pylock(data: bytes) -> Pylock:
    """The lock that ``data`` holds. Raises ValueError, with a message for people, if none."""
    try:
        pylock = Pylock.from_dict(parse_toml(data))
    except PylockValidationError as error:
        raise ValueError(str(error)[:_SHOWN].removesuffix(".")) from error
    check_sound(pylock)
    return pylock


def write_lock(lock: Lock, path: Path) -> None:
    """Write ``lock`` to ``path``, whose name must be one that PEP 751 allows."""
    if not is_valid_pylock_path(path):
        raise UsageError(
            f"{path.name!r} is not a name for a lock.",
            "Expected pylock.toml or pylock.<name>.toml (PEP 751).",
            "Change the name.",
        )
    with whole_file(path) as temporary:
        temporary.write_text(_HEADER + tomli_w.dumps(dict(lock.pylock.to_dict())), encoding="utf-8")


def make_lock(
    packages: Sequence[Package], pylock: Pylock, inputs: LockInputs, created: str, folder: Path
) -> Lock:
    """A lock of ``packages`` that answers ``inputs``; ``created`` is an RFC 3339 time.

    Credentials in URLs are left out: whoever reads the lock has their own.
    """
    made = Pylock(
        lock_version=pylock.lock_version,
        requires_python=pylock.requires_python,
        created_by="flink-bundler",
        packages=[_without_credentials(package) for package in packages],
        tool={"bundle": {**inputs.table(), "created": created}},
    )
    return Lock(made, folder)


def moved(pylock: Pylock, old: Path, new: Path) -> Pylock:
    """``pylock``, whose relative paths start from ``old``, with paths that start from ``new``."""

    def there(source: Any) -> Any:
        path = source.path if source is not None else None
        return replace(source, path=os.path.relpath(old / path, new)) if path else source

    packages = [
        replace(
            package,
            wheels=[there(wheel) for wheel in package.wheels] if package.wheels else package.wheels,
            sdist=there(package.sdist),
            archive=there(package.archive),
            vcs=there(package.vcs),
            directory=there(package.directory),
        )
        for package in pylock.packages
    ]
    return replace(pylock, packages=packages)


def _without_credentials(package: Package) -> Package:
    def bare(source: Any) -> Any:
        url = source.url if source is not None else None
        return replace(source, url=_CREDENTIALS.sub("", url)) if url else source

    return replace(
        package,
        wheels=[bare(wheel) for wheel in package.wheels] if package.wheels else package.wheels,
        sdist=bare(package.sdist),
        archive=bare(package.archive),
        vcs=bare(package.vcs),
    )
