"""What a lock says about files, checked before anything is fetched: a stranger may have written it.

https://packaging.python.org/en/latest/specifications/pylock-toml/; what is made of a repository or
a source tree is checked where that is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from packaging.pylock import Package, PackageArchive, PackageSdist, PackageWheel, Pylock
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from bundler.errors import UsageError
from bundler.support.problem import first_problem
from bundler.support.urls import parse_url

_MOST_PACKAGES = 20_000
_MOST_FILES = 5_000
_LARGEST_FILE = 1 << 40
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FILE_NAME = re.compile(r"[^/\\\x00-\x1f\x7f]{1,255}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_Text = Annotated[
    str, StringConstraints(max_length=32_768, pattern=r"^[^\x00-\x08\x0a-\x1f\x7f]*$")
]


class BundleTable(BaseModel):
    """``[tool.bundle]`` of a lock: what it answers, and when it was made (RFC 3339)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    flink: _Text
    python: _Text
    platform: _Text
    requirements: list[_Text]
    options: list[_Text]
    constraints: list[_Text]
    created: Annotated[str, StringConstraints(pattern=r"^[0-9T:Z.+-]{0,40}$")] = ""


def check_sound(pylock: Pylock) -> None:
    """Raise ValueError, with a message for people, if ``pylock`` says what cannot be right.

    Each file must have a SHA-256, a name without folders, and a URL of http, https or file, or a
    path; a folder in an archive must be inside; ``[tool.bundle]`` must be as it was written.
    """
    if len(pylock.packages) > _MOST_PACKAGES:
        raise ValueError(f"it has {len(pylock.packages):,} packages")
    for package in pylock.packages:
        name = str(package.name)
        if len(package.wheels or ()) > _MOST_FILES:
            raise ValueError(f"{name} has {len(package.wheels or ()):,} wheels")
        for file in _files(package):
            fault = _fault(file)
            if fault is not None:
                raise ValueError(f"{name}: {fault}")
    _check_table(pylock.tool)


def _files(package: Package) -> Iterator[PackageWheel | PackageSdist | PackageArchive]:
    yield from package.wheels or ()
    if package.sdist is not None:
        yield package.sdist
    if package.archive is not None:
        yield package.archive


def _fault(file: PackageWheel | PackageSdist | PackageArchive) -> str | None:
    digest = file.hashes.get("sha256")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        return f"{str(digest)[:80]!r} is not a SHA-256 of 64 hexadecimal digits"
    if file.size is not None and not 0 <= file.size <= _LARGEST_FILE:
        return f"{file.size:,} is not a size"
    if file.url is not None:
        try:
            parse_url(file.url, "a file")
        except UsageError as error:
            return error.found.removesuffix(".")
    if file.path is not None and (not file.path or _CONTROL.search(file.path)):
        return f"{file.path[:80]!r} is not a path"
    name = _name(file)
    if not _FILE_NAME.fullmatch(name) or name in (".", ".."):
        return f"{name[:80]!r} is not a file name"
    if isinstance(file, PackageArchive) and not _is_inside(file.subdirectory):
        return f"{str(file.subdirectory)[:80]!r} is not a folder in the archive"
    return None


def _name(file: PackageWheel | PackageSdist | PackageArchive) -> str:
    if not isinstance(file, PackageArchive) and file.name:
        return file.name
    if file.url is not None:
        return unquote(urlsplit(file.url).path.rpartition("/")[2])
    return (file.path or "").rpartition("/")[2]


def _is_inside(subdirectory: str | None) -> bool:
    parts = (subdirectory or "").split("/")
    absolute = len(parts) > 1 and not parts[0]
    return not absolute and ".." not in parts and not _CONTROL.search(subdirectory or "")


def _check_table(tool: Any) -> None:
    table = tool.get("bundle") if tool else None
    if table is None:
        return
    try:
        BundleTable.model_validate(table)
    except ValidationError as error:
        problem = first_problem(error)
        raise ValueError(
            f"tool.bundle.{problem.key} {problem.found}, expected {problem.expected}"
        ) from error
