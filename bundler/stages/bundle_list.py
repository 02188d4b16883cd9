"""``bundle.lock.json``: what a build made, with the hash of every file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from bundler.errors import UsageError
from bundler.support.files import open_regular, read_bounded, sha256_of, whole_file
from bundler.support.problem import first_problem

LIST_NAME = "bundle.lock.json"

_BYTES = 16 << 20
_AGAIN = "Run `bundle build` again."


def _file_name(name: str) -> str:
    if "/" in name or name in ("", ".", "..") or len(name) > 255 or not name.isprintable():
        raise ValueError("the name of a file beside it, not a path")
    return name


def _interpreter(place: str) -> str:
    if place.startswith(("/", "-")) or ".." in place.split("/"):
        raise ValueError("a command, or a path within venv.zip")
    return place


_FileName = Annotated[str, AfterValidator(_file_name)]
_Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_Size = Annotated[int, Field(ge=0, lt=1 << 63)]
_Version = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z.]{1,40}$")]
_Platform = Annotated[str, StringConstraints(pattern=r"^[0-9a-z_]{1,80}$")]
_Executable = Annotated[
    str, StringConstraints(pattern=r"^[0-9A-Za-z._+/-]{1,500}$"), AfterValidator(_interpreter)
]
_Package = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]([0-9A-Za-z._-]{0,200})$")]
_PackageVersion = Annotated[str, StringConstraints(pattern=r"^[!-~]{0,100}$")]


class _Exact(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ListedTarget(_Exact):
    """The target of the build, in the words of `bundler.target.Target`."""

    flink: _Version
    python: _Version
    platform: _Platform


class ListedFile(_Exact):
    """A file beside the list: its name, size in bytes and SHA-256 in hexadecimal."""

    file: _FileName
    size: _Size
    sha256: _Sha256

    def found_in(self, folder: Path) -> Path:
        """Its path in ``folder``. Raises UsageError if it is missing, or has other bytes."""
        path = folder / self.file
        if not path.exists():
            raise UsageError(f"{path} is missing.", f"{LIST_NAME} lists it.", _AGAIN)
        with open_regular(path, f"the file that {LIST_NAME} lists") as file:
            size = file.seek(0, 2)
        if size != self.size or sha256_of(path) != self.sha256:
            raise UsageError(
                f"{path} is not the file that was built.",
                f"{LIST_NAME} lists it with sha256 {self.sha256}.",
                _AGAIN,
            )
        return path


class ListedArchive(ListedFile):
    """An archive, with the distributions in it and their versions ("" if unknown)."""

    kind: Literal["venv", "deps", "data"]
    packages: Mapping[_Package, _PackageVersion] = Field(default_factory=dict, max_length=20_000)


class BundleList(_Exact):
    """All of a ``bundle.lock.json``; ``executable`` is the interpreter as the workers name it."""

    target: ListedTarget
    executable: _Executable
    archives: tuple[ListedArchive, ...] = Field(max_length=1_000, strict=False)
    jars: tuple[ListedFile, ...] = Field(max_length=10_000, strict=False)

    @model_validator(mode="after")
    def _once(self) -> BundleList:
        names = [row.file for row in (*self.archives, *self.jars)]
        if len(set(names)) < len(names):
            raise ValueError("each file once")
        for kind in ("venv", "deps"):
            if sum(row.kind == kind for row in self.archives) > 1:
                raise ValueError(f"one {kind} archive at most")
        return self

    def write(self, folder: Path) -> Path:
        """Write the list into ``folder``, where the files are already."""
        path = folder / LIST_NAME
        with whole_file(path) as temporary:
            temporary.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path


def read_list(folder: Path) -> BundleList:
    """The list in ``folder``. Raises UsageError if there is none, or not one that a build wrote."""
    path = folder / LIST_NAME
    if not path.exists():
        raise UsageError(
            f"{folder} has no {LIST_NAME}.",
            "Expected the folder that `bundle build` wrote.",
            "Run `bundle build`, or name the files with --venv, --deps, --data and --jar.",
        )
    data = read_bounded(path, _BYTES, f"a {LIST_NAME}")
    try:
        return BundleList.model_validate_json(data)
    except ValidationError as error:
        problem = first_problem(error)
        if problem.kind == "json_invalid":
            raise UsageError(f"{path} is not JSON.", problem.expected, _AGAIN) from error
        where = f"{problem.key} {problem.found}" if problem.key else "its shape is another"
        raise UsageError(
            f"{path} is not a list that `bundle build` wrote: {where}.",
            f"Expected {problem.expected}.",
            _AGAIN,
        ) from error
