"""What a bundle must run on, and what each Flink release supports and needs.

The release table follows the wheels on the package index (a ``cpXY`` wheel is the support
statement: ``Requires-Python`` of apache-flink has no upper bound) and the Java versions of the
official images (apache/flink-docker, Dockerfiles of each release).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.version import Version

from bundler.errors import UsageError, option
from bundler.releases import (
    _LAST_PATCH,
    FLINK_LINES,
    FlinkLine,
    _lines_for,
    flink_line,
    newest_flink_for,
)

DEFAULT_PLATFORM = "manylinux2014_x86_64"


_LEGACY_GLIBC = {"manylinux1": (2, 5), "manylinux2010": (2, 12), "manylinux2014": (2, 17)}
_GLIBC_ALIAS = {glibc: name for name, glibc in _LEGACY_GLIBC.items()}
_ARCHITECTURES = ("x86_64", "aarch64")

# The manylinux tags that uv knows, by the minor version of glibc (uv's PythonPlatform).
_UV_GLIBC = (17, 28, *range(31, 41))


@dataclass(frozen=True)
class Target:
    """Flink release, CPython version and pip platform tag that a bundle must run on.

    ``flink`` is a full release ("2.2.1"), ``python`` a minor or patch version ("3.11",
    "3.11.7"), ``platform`` a manylinux tag ("manylinux2014_x86_64", "manylinux_2_28_aarch64").
    Make one with `Target.parse`, which checks the combination.
    """

    flink: str
    python: str
    platform: str = DEFAULT_PLATFORM

    @classmethod
    def parse(
        cls, *, flink: str | None = None, python: str | None = None, platform: str | None = None
    ) -> Target:
        """Check and complete what a person gave; a missing part follows from the others.

        Raises UsageError when a part is malformed or Flink has no wheel for that Python.
        """
        if python is not None and not re.fullmatch(r"3\.[0-9]{1,3}(\.[0-9]{1,3})?", python):
            raise UsageError(
                f"{python!r} is not a CPython version.",
                "Expected a minor or a patch version, such as 3.11 or 3.7.16.",
                f"Change {option('python')}.",
            )
        minor = ".".join(python.split(".")[:2]) if python else None
        if flink is None:
            flink = newest_flink_for(minor) if minor else FLINK_LINES["2.2"].newest
        line = flink_line(flink)
        if flink == line.line:
            flink = line.newest
        if python is None:
            python = "3.11" if "3.11" in line.pythons else line.pythons[-1]
        elif minor not in line.pythons:
            raise UsageError(
                f"PyFlink {flink} has no wheel for Python {minor}.",
                f"It has wheels for Python {', '.join(line.pythons)}.",
                f"Choose one of these with {option('python')}, or a Flink for {minor}: "
                f"{_lines_for(minor) or 'none'}.",
            )
        target = cls(flink, python, platform or DEFAULT_PLATFORM)
        _ = target.glibc
        return target

    @property
    def line(self) -> FlinkLine:
        """The Flink line of this target."""
        return flink_line(self.flink)

    @property
    def python_minor(self) -> str:
        """CPython minor version, such as "3.11"."""
        return ".".join(self.python.split(".")[:2])

    @property
    def python_full(self) -> str:
        """CPython patch version; the last of its line when the target names only the minor.

        Resolvers read a bare "3.7" as 3.7.0, which rules out packages that need a later patch.
        """
        if self.python.count(".") == 2:
            return self.python
        return f"{self.python}.{_LAST_PATCH.get(self.python, 0)}"

    @property
    def _platform_parts(self) -> tuple[tuple[int, int], str]:
        match = re.fullmatch(
            r"(manylinux1|manylinux2010|manylinux2014|manylinux_2_([0-9]{1,3}))_(x86_64|aarch64)",
            self.platform,
        )
        if match is None:
            raise UsageError(
                f"{self.platform!r} is not a platform tag that bundle builds for.",
                "Expected manylinux2014 or manylinux_2_N with one of "
                f"{', '.join(_ARCHITECTURES)}, such as manylinux_2_28_x86_64.",
                f"Change {option('platform')}.",
            )
        if match[2]:
            return (2, int(match[2])), match[3]
        return _LEGACY_GLIBC[match[1]], match[3]

    @property
    def glibc(self) -> tuple[int, int]:
        """The newest glibc that may be needed, (major, minor), as PEP 600 reads the tag."""
        return self._platform_parts[0]

    @property
    def architecture(self) -> str:
        """``x86_64`` or ``aarch64``."""
        return self._platform_parts[1]

    @property
    def uv_platform(self) -> str:
        """The name for ``uv --python-platform``: of the newest one it knows that is not newer."""
        known = max((minor for minor in _UV_GLIBC if minor <= self.glibc[1]), default=17)
        name = "manylinux2014" if known == 17 else f"manylinux_2_{known}"
        return f"{self.architecture}-{name}"

    @property
    def abi(self) -> str:
        """CPython's ABI tag, such as ``cp311`` or, before 3.8, ``cp37m``."""
        minor = self.python_minor.replace(".", "")
        return f"cp{minor}m" if Version(self.python_minor) < Version("3.8") else f"cp{minor}"

    def _platforms(self) -> Iterator[str]:
        (major, newest), arch = self._platform_parts
        oldest = 5 if arch == "x86_64" else 17
        for minor in range(newest, oldest - 1, -1):
            yield f"manylinux_{major}_{minor}_{arch}"
            if alias := _GLIBC_ALIAS.get((major, minor)):
                yield f"{alias}_{arch}"
        yield f"linux_{arch}"

    @cached_property
    def tags(self) -> tuple[Tag, ...]:
        """The wheel tags that fit, best first (PEP 425, PEP 600)."""
        version = tuple(int(part) for part in self.python_minor.split("."))
        platforms = list(self._platforms())
        interpreter = f"cp{self.python_minor.replace('.', '')}"
        return (
            *cpython_tags(version, [self.abi], platforms),
            *compatible_tags(version, interpreter, platforms),
        )

    @cached_property
    def marker_environment(self) -> dict[str, str]:
        """The PEP 508 environment of the target, for evaluating markers."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.python_full,
            "os_name": "posix",
            "platform_machine": self.architecture,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.python_full,
            "python_version": self.python_minor,
            "sys_platform": "linux",
        }

    @property
    def needs_setuptools_cap(self) -> bool:
        """Whether Beam imports ``pkg_resources`` here and the release does not say so."""
        return Version(self.flink) < Version("1.20.4")

    @property
    def java(self) -> int:
        """The Java version to run this Flink on: 11 up to 1.17, 17 after."""
        return 17 if 17 in self.line.java else 11

    def describe(self) -> str:
        """One line for people."""
        return f"Flink {self.flink}, Python {self.python}, {self.platform}"
