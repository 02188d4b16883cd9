"""Two archives, one resolution: solved together, divided afterwards.

Solving venv.zip first and fixing its versions for deps.zip refuses frozen lists that have a
solution, and silently takes ancient releases: boto3 of 2018 beside Flink 1.16.3, because the newest
urllib3 is too new for every later boto3 of that Python. Solved together both come out right.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from bundler.lock.pylock import Lock, make_lock
from bundler.lock.requirements import combined, read_requirements
from bundler.lock.resolve import Problem
from bundler.target import Target

Solve = Callable[[Problem], Lock]
"""Resolves a problem for the target at hand."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The locks of a venv.zip and of the deps.zip beside it."""

    venv: Lock
    deps: Lock


def solve_pair(
    venv: Problem,
    deps: Problem,
    target: Target,
    solve: Solve,
    preferences: tuple[str, ...] = (),
) -> Pair:
    """One solution for both, divided: what ``venv`` needs is its lock, the rest that of ``deps``.

    Each lock answers for its own problem: that of ``venv`` knows what was beside it, that of
    ``deps`` the versions it was divided from. ``preferences`` are kept where they fit.

    Raises ResolutionError if there is no solution.
    """
    whole = solve(
        Problem(
            combined(venv.requirements, deps.requirements),
            constraints=venv.constraints,
            preferences=preferences,
            jars=venv.jars,
        )
    )
    inner = solve(replace(venv, constraints=_unique(venv.constraints, whole.versions)))
    fixed = {**_versions(venv.constraints), **inner.versions}
    return Pair(
        _answering(inner, inner, venv, target),
        _answering(
            whole, _without(whole, fixed), replace(deps, constraints=pins_of(fixed)), target
        ),
    )


def solve_beside(
    deps: Problem, held: Mapping[str, str], flink: str, target: Target, solve: Solve
) -> Lock:
    """The lock of a deps.zip beside a venv.zip that is there and holds the versions ``held``.

    Its versions are taken where they do; where the requirements need another that PyFlink accepts
    too, that one comes into the lock, and hides the one of venv.zip from the job. ``flink`` is the
    release of PyFlink in it. Raises ResolutionError if PyFlink and the requirements do not agree.
    """
    with_flink = combined(deps.requirements, read_requirements(packages=[f"apache-flink=={flink}"]))
    whole = solve(Problem(with_flink, preferences=pins_of(held)))
    needed = solve(replace(deps, constraints=pins_of(whole.versions)))
    lock = _without(needed, held)
    return _answering(needed, lock, replace(deps, constraints=pins_of(held)), target)


def differing(lock: Lock, held: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """The packages of ``lock`` that ``held`` has in another version: (its own, that of held)."""
    return {
        name: (version, held[name])
        for name, version in lock.versions.items()
        if held.get(name, version) != version
    }


def _without(lock: Lock, held: Mapping[str, str]) -> Lock:
    packages = [
        package
        for package in lock.pylock.packages
        if package.version is None or held.get(str(package.name)) != str(package.version)
    ]
    return replace(lock, pylock=replace(lock.pylock, packages=packages))


def _answering(dated: Lock, lock: Lock, problem: Problem, target: Target) -> Lock:
    created = str(dated.table.get("created", ""))
    return make_lock(
        lock.pylock.packages, lock.pylock, problem.inputs(target), created, lock.folder
    )


def pins_of(versions: Mapping[str, str]) -> tuple[str, ...]:
    """``versions`` by name as ``name==version``, sorted."""
    return tuple(sorted(f"{name}=={version}" for name, version in versions.items()))


def _versions(pins: tuple[str, ...]) -> dict[str, str]:
    return {name: version for name, _, version in (pin.partition("==") for pin in pins)}


def _unique(pins: tuple[str, ...], versions: Mapping[str, str]) -> tuple[str, ...]:
    return pins_of({**versions, **_versions(pins)})
