"""Words that end up on the command line of an engine, a package manager or a shell, checked.

None of them may begin with a dash, which would make it an option, or hold what ends a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from bundler.errors import UsageError

# https://pkg.go.dev/github.com/distribution/reference, and an image's id.
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
    r"[a-z0-9]+(?:(?:[._]|__|-+|/)[a-z0-9]+)*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
    r"|sha256:[0-9a-f]{64}"
)
_NETWORK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(?::[A-Za-z0-9_./-]+)?")
_VOLUME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]+")
# A name, perhaps with an architecture and a version. A dash at the end would make apt remove it.
_PACKAGE = re.compile(r"@?[A-Za-z0-9][A-Za-z0-9_.+:~=^*@/-]*(?<!-)")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PYTHON = re.compile(r"3\.[0-9]{1,2}t?")
_LONGEST = 512


def check_image(name: str | None) -> None:
    """Raise UsageError unless ``name``, if there is one, can be that of an image."""
    _check(_IMAGE, name, "an image", "a reference such as debian:bookworm or registry:5000/x/y")


def check_network(mode: str | None) -> None:
    """Raise UsageError unless ``mode``, if there is one, can be an engine's network mode."""
    _check(_NETWORK, mode, "a network", "bridge, host, none or the name of a network")


def check_volume(name: str | None) -> None:
    """Raise UsageError unless ``name``, if there is one, can be that of an engine's volume."""
    _check(_VOLUME, name, "a volume", "letters, digits and ._-")


def check_packages(names: Iterable[str]) -> None:
    """Raise UsageError for what cannot be the name of a package of an image's system."""
    for name in names:
        _check(_PACKAGE, name, "a system package", "a name such as libxml2-dev")


def check_pythons(versions: Iterable[str]) -> None:
    """Raise UsageError for what cannot be a Python's minor version."""
    for version in versions:
        _check(_PYTHON, version, "a Python", "a version such as 3.8, or 3.13t (free-threaded)")


def check_environment(variables: Mapping[str, str]) -> None:
    """Raise UsageError for a variable that no process can have."""
    for name, value in variables.items():
        _check(_VARIABLE, name, "an environment variable", "letters, digits and _")
        if "\0" in value:
            raise UsageError(
                f"The value of {name} has a NUL character.",
                "Expected text.",
                "Change that value.",
            )


def check_commands(lines: Iterable[str]) -> None:
    """Raise UsageError for what cannot be a shell command."""
    for line in lines:
        if not line.strip() or "\0" in line:
            raise UsageError(
                f"{line!r} is not a shell command.",
                "Expected text without NUL characters.",
                "Change build.before-build.",
            )


def _check(pattern: re.Pattern[str], word: str | None, kind: str, expected: str) -> None:
    if word is not None and (len(word) > _LONGEST or not pattern.fullmatch(word)):
        raise UsageError(
            f"{word[:_LONGEST]!r} is not the name of {kind}.",
            f"Expected {expected}.",
            "Change that name.",
        )
