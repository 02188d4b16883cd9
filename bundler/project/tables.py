"""bundle.toml, or ``[tool.bundle]`` in pyproject.toml: what a project's bundle is made of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from bundler.errors import UsageError
from bundler.support.files import read_bounded
from bundler.support.problem import first_problem
from bundler.support.toml import parse_toml

FILE_NAME = "bundle.toml"

_BYTES = 1 << 20
_LONGEST = 32_768
# A text of several lines may have line ends and tabs.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def _named(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", name):
        raise ValueError("letters, digits, '.', '_' and '-', a letter or digit first")
    if name in ("venv", "deps"):
        raise ValueError(f"another name: {name}.zip is the name of another archive")
    return name


def _scalar(value: object) -> object:
    if not isinstance(value, (str, int, float, bool)):
        raise ValueError("text in quotes, a number, true or false")
    return value


def _one_line(path: Path) -> Path:
    if "\n" in str(path) or "\t" in str(path):
        raise ValueError("a path without line ends and tabs")
    return path


def _importable(module: str) -> str:
    if not all(part.isidentifier() for part in module.split(".")):
        raise ValueError("the name of a module, such as package.module")
    return module


def _option(key: str) -> str:
    if not re.fullmatch(r"[!-~]+", key) or re.search(r"[:#=\"'`\\]", key):
        raise ValueError("a key of Flink, such as pipeline.name")
    return key


_Name = Annotated[str, AfterValidator(_named)]
_Option = Annotated[str, AfterValidator(_option)]
_Path = Annotated[Path, AfterValidator(_one_line)]
_Scalar = Annotated[str | int | float | bool, BeforeValidator(_scalar)]


def _dashed(name: str) -> str:
    return name.replace("_", "-")


class _Table(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=_dashed, populate_by_name=True
    )

    @field_validator("*")
    @classmethod
    def _plain_text(cls, value: object) -> object:
        """Refuse what no path, name, command or option can have in it."""
        for text in _texts(value):
            if _CONTROL.search(text):
                raise ValueError("text without control characters")
            if len(text) > _LONGEST:
                raise ValueError(f"text of at most {_LONGEST:,} characters")
        return value


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str | Path):
        yield str(value)
    elif isinstance(value, tuple):
        for part in value:
            yield from _texts(part)
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _texts(key)
            yield from _texts(part)


class TargetTable(_Table):
    """``[target]``: the Flink release, the Python version and pip's platform tag."""

    flink: str | None = None
    python: str | None = None
    platform: str | None = None


class VenvTable(_Table):
    """``[venv]``: the Python for the workers, and the packages in it besides PyFlink.

    ``plugins`` may ask for a conda environment, as may those in the data archives.
    """

    base: Literal["auto", "standalone", "host", "manylinux", "conda"] = "auto"
    requirements: tuple[_Path, ...] = ()
    packages: tuple[str, ...] = ()
    environment: _Path | None = None
    channels: tuple[str, ...] = ()
    from_prefix: _Path | None = None
    plugins: tuple[_Path, ...] = ()
    slim: tuple[str, ...] | None = None
    skip_imports: tuple[str, ...] = ()
    keep_jars: bool = False
    strict: bool = False


class DepsTable(_Table):
    """``[deps]``: the packages of the job; ``exclude-venv`` leaves out what venv.zip holds."""

    requirements: tuple[_Path, ...] = ()
    packages: tuple[str, ...] = ()
    no_deps: bool = False
    exclude_venv: bool = True
    skip_imports: tuple[str, ...] = ()
    slim: tuple[str, ...] | None = None


class DataTable(_Table):
    """``[data.NAME]``: files and folders that become NAME.zip."""

    paths: tuple[_Path, ...] = Field(min_length=1)


class JarsTable(_Table):
    """``[jars]``: JAR files of connectors and user code."""

    files: tuple[_Path, ...] = ()


class JobTable(_Table):
    """``[job]``: what to run, and how."""

    script: _Path | None = None
    module: Annotated[str, AfterValidator(_importable)] | None = None
    files: tuple[_Path, ...] = ()
    arguments: tuple[str, ...] = ()
    parallelism: int | None = Field(default=None, ge=1, le=32_768)
    configuration: Mapping[_Option, _Scalar] = Field(default_factory=dict)


class BuildTable(_Table):
    """``[build]``: how sources without a wheel are built."""

    builder: Literal["auto", "container", "local"] = "auto"
    image: str | None = None
    network: str | None = None
    system_packages: tuple[str, ...] = ()
    before_build: tuple[str, ...] = ()
    environment: Mapping[str, str] = Field(default_factory=dict)


class Tables(_Table):
    """All of a bundle.toml."""

    target: TargetTable = TargetTable()
    venv: VenvTable | None = None
    deps: DepsTable | None = None
    data: Mapping[_Name, DataTable] = Field(default_factory=dict)
    jars: JarsTable = JarsTable()
    job: JobTable = JobTable()
    build: BuildTable = BuildTable()


@dataclass(frozen=True, slots=True)
class Project:
    """A read project: ``folder`` is what its relative paths start from, ``file`` None if no
    file exists and all tables have their defaults.
    """

    folder: Path
    tables: Tables
    file: Path | None = None

    def overridden(self, **tables: Mapping[str, Any]) -> Project:
        """The project with the values of ``tables`` that are not None put over the file's.

        Keys are those of the file, in Python's spelling; paths must be absolute or relative to
        ``folder``. Raises UsageError if a value is not possible.
        """
        data = self.tables.model_dump(exclude_unset=True)
        for name, values in tables.items():
            given = {key: value for key, value in values.items() if value is not None}
            if given:
                data[name] = {**(data.get(name) or {}), **given}
        return Project(self.folder, _validated(data, "the command line", ""), self.file)

    def path(self, relative: Path) -> Path:
        """A path of the file, as this process can open it."""
        return self.folder / relative

    def paths(self, relatives: tuple[Path, ...]) -> list[Path]:
        """Several of them."""
        return [self.folder / relative for relative in relatives]


def find_project(start: Path, *, required: bool = False) -> Project:
    """The project in the folder ``start``, or of the file ``start``.

    A folder may hold bundle.toml or a pyproject.toml with ``[tool.bundle]``; the first wins.
    Raises UsageError naming the file, the key and the mend if something in it is off, or if there
    is none and one is ``required``.
    """
    if not start.is_dir():
        return _read(start)
    own = start / FILE_NAME
    if _is_there(own):
        return _read(own)
    shared = start / "pyproject.toml"
    if _is_there(shared) and _section(_toml(shared)) is not None:
        return _read(shared)
    if required:
        raise UsageError(
            f"{start} has no {FILE_NAME}, and no pyproject.toml with [tool.bundle].",
            "This command reads from it what to build.",
            "Run `bundle init` to create one, or choose another folder with --project.",
        )
    return Project(start, Tables())


def _is_there(file: Path) -> bool:
    return file.exists() or file.is_symlink()


def _toml(file: Path) -> dict[str, Any]:
    data = read_bounded(file, _BYTES, f"a {FILE_NAME}")
    try:
        return parse_toml(data)
    except ValueError as error:
        raise UsageError(
            f"{file} is not TOML: {error}.",
            "Expected TOML 1.0 in UTF-8, with the tables and arrays that the reference lists.",
            "Edit that line, or check that this is the right file.",
        ) from error


def _section(data: Mapping[str, Any]) -> Any:
    """``[tool.bundle]`` of a pyproject.toml; None if it has none."""
    tool = data.get("tool")
    return tool.get("bundle") if isinstance(tool, dict) else None


def _read(file: Path) -> Project:
    data = _toml(file)
    if file.name != "pyproject.toml":
        return Project(file.parent, _validated(data, str(file), ""), file)
    section = _section(data)
    tables = _validated({} if section is None else section, str(file), "tool.bundle.")
    return Project(file.parent, tables, file)


def _validated(data: object, origin: str, prefix: str) -> Tables:
    try:
        return Tables.model_validate(data)
    except ValidationError as error:
        problem = first_problem(error)
        key = f"{prefix}{problem.key}".rstrip(".")
        found = f"{origin}: {key} {problem.found}."
        if problem.kind == "extra_forbidden":
            expected = f"Known keys here: {', '.join(_known(problem.location))}."
            raise UsageError(
                found, expected, f"Rename or remove it.{problem.and_others}"
            ) from error
        raise UsageError(
            found,
            f"Expected {problem.expected}.",
            f"Change {prefix}{problem.key}.{problem.and_others}",
        ) from error


def _known(location: tuple[int | str, ...]) -> list[str]:
    table = _TABLES.get(str(location[0]), Tables) if len(location) > 1 else Tables
    return sorted(field.alias or name for name, field in table.model_fields.items())


_TABLES: Mapping[str, type[_Table]] = {
    "target": TargetTable,
    "venv": VenvTable,
    "deps": DepsTable,
    "data": DataTable,
    "jars": JarsTable,
    "job": JobTable,
    "build": BuildTable,
}
