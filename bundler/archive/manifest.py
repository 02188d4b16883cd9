"""The manifest in an archive: what ``bundle`` says of it when it writes it, in an exact shape.

An archive may come from anybody, and what its manifest says goes into files and command lines of
other programs. So names, versions and paths are parsed into what they are, and nothing else passes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from bundler.archive.content import checked_whole
from bundler.archive.directory import BadZip
from bundler.archive.entry import MANIFEST_NAME
from bundler.archive.names import name_problem
from bundler.archive.read import listed, not_ours
from bundler.errors import UsageError
from bundler.support.problem import first_problem
from bundler.target import Target

_MAX_BYTES = 4 << 20
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?", re.IGNORECASE)


def _package(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("the name of a package")
    return canonicalize_name(name)


def _version(text: str) -> str:
    # Version also takes spaces and newlines around it.
    if text != text.strip():
        raise ValueError("a version without spaces around it")
    try:
        Version(text)
    except InvalidVersion as error:
        raise ValueError("the version of a release") from error
    return text


def _path(text: str) -> str:
    if name_problem(text) or re.search(r"[^A-Za-z0-9_./+-]", text):
        raise ValueError("a path in the archive")
    return text


_Text = Annotated[str, StringConstraints(max_length=128)]
_Package = Annotated[_Text, AfterValidator(_package)]
_PackageVersion = Annotated[_Text, AfterValidator(_version)]
_Rule = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{0,40}$")]


class _Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class TargetManifest(_Exact):
    """What an archive was built for; a `Target` that is possible."""

    flink: _Text
    python: _Text
    platform: _Text

    @model_validator(mode="after")
    def _is_possible(self) -> TargetManifest:
        try:
            _ = self.target
        except UsageError as error:
            raise ValueError(f"a possible target ({error.found.rstrip('.')})") from error
        return self

    @property
    def target(self) -> Target:
        """The same as the stages take it."""
        return Target.parse(flink=self.flink, python=self.python, platform=self.platform)


class DepsManifest(_Exact):
    """The manifest of a deps.zip: the versions of its packages, and the rules that slimmed it."""

    kind: Literal["deps"]
    target: TargetManifest
    packages: dict[_Package, _PackageVersion] = Field(max_length=20_000)
    slim: list[_Rule] = Field(default=[], max_length=100)


class VenvManifest(_Exact):
    """The manifest of a venv.zip: also its base, the full version and path of its Python, and the
    newest glibc that a file in it needs. None for what the ``bundle`` that made it did not say yet.
    """

    kind: Literal["venv"]
    target: TargetManifest
    packages: dict[_Package, _PackageVersion] = Field(max_length=20_000)
    slim: list[_Rule] = Field(default=[], max_length=100)
    base: _Rule | None = None
    python: _PackageVersion | None = None
    executable: Annotated[_Text, AfterValidator(_path)] | None = None
    glibc: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,3}(\.[0-9]{1,3}){0,3}$")] | None = (
        None
    )


_Manifest = TypeVar("_Manifest", DepsManifest, VenvManifest)


class _Kind(BaseModel):
    """What is looked at first, so that an archive of another kind is called by its kind."""

    model_config = ConfigDict(extra="ignore", strict=True)

    kind: _Rule


def read_venv_manifest(archive: Path) -> VenvManifest:
    """The manifest of a venv.zip.

    Raises UsageError if ``archive`` cannot be read, was not made by ``bundle venv``, or its
    manifest does not have exactly the shape that ``bundle`` writes.
    """
    return _read(archive, "venv", VenvManifest)


def read_deps_manifest(archive: Path) -> DepsManifest:
    """The manifest of a deps.zip. Raises as `read_venv_manifest`."""
    return _read(archive, "deps", DepsManifest)


def _read(archive: Path, kind: str, model: type[_Manifest]) -> _Manifest:
    data = _manifest_bytes(archive)
    try:
        found = _Kind.model_validate_json(data).kind
        if found != kind:
            raise UsageError(
                f"{archive} is a {found} archive.",
                f"Expected an archive that `bundle {kind}` made.",
                f"Give the path of a {kind} archive.",
            )
        return model.model_validate_json(data)
    except ValidationError as error:
        raise not_ours(archive, f"its {MANIFEST_NAME} is damaged ({_first(error)})") from error


def _manifest_bytes(archive: Path) -> bytes:
    for member in listed(archive):
        if member.name == MANIFEST_NAME:
            try:
                return checked_whole(member.content, _MAX_BYTES)
            except BadZip as error:
                raise not_ours(archive, f"{MANIFEST_NAME}: {error.problem}") from error
    raise not_ours(archive, f"it has no {MANIFEST_NAME}")


def _first(error: ValidationError) -> str:
    problem = first_problem(error)
    if problem.kind == "json_invalid":
        return problem.expected
    return f"{problem.key} {problem.found}; expected {problem.expected}".strip()
