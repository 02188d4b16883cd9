"""Packages of deps.zip that hide others of venv.zip: what is on Flink's path first is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bundler.archive.content import crc_of
from bundler.archive.read import zip_entries

_SITE_PACKAGES = re.compile(r"^.*/lib/python3(?:\.\d+)?/(?:site|dist)-packages/")


def hidden_packages(venv: Path, deps: Path) -> list[str]:
    """The top-level packages and modules of venv.zip that deps.zip has with other contents.

    Workers and main() have deps.zip before site-packages on their path, so PyFlink itself gets
    those of deps.zip. Raises UsageError if one of the two is not an archive.
    """
    inside = dict(_modules(venv))
    return sorted(
        {
            name.partition("/")[0].removesuffix(".py")
            for name, crc in _modules(deps)
            if inside.get(name, crc) != crc
        }
    )


def _modules(archive: Path) -> Iterator[tuple[str, int]]:
    for entry in zip_entries(archive):
        name = _SITE_PACKAGES.sub("", entry.name)
        if name.endswith((".py", ".so")) and not name.startswith("bin/"):
            yield name, crc_of(entry.content)
