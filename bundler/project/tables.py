"""bundle.toml, or ``[tool.bundle]`` in pyproject.toml: what a project's bundle is made of."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
)

from bundler.errors import UsageError
from bundler.support.problem import first_problem
from bundler.support.toml import tomllib

FILE_NAME = "bundle.toml"


def _named(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise ValueError("letters, digits, '.', '_' and '-', a letter or digit first")
    if name in ("venv", "deps"):
        raise ValueError(f"another name: {name}.zip is the name of another archive")
    return name


def _scalar(value: object) -> object:
    if not isinstance(value, (str, int, float, bool)):
        raise ValueError("text in quotes, a number, true or false")
    return value


_Name = Annotated[str, AfterValidator(_named)]
_Scalar = Annotated[str | int | float | bool, BeforeValidator(_scalar)]


def _dashed(name: str) -> str:
    return name.replace("_", "-")


class _Table(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=_dashed, populate_by_name=True
    )


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
    requirements: tuple[Path, ...] = ()
    packages: tuple[str, ...] = ()
    environment: Path | None = None
    channels: tuple[str, ...] = ()
    from_prefix: Path | None = None
    plugins: tuple[Path, ...] = ()
    slim: tuple[str, ...] | None = None
    skip_imports: tuple[str, ...] = ()
    keep_jars: bool = False
    strict: bool = False


class DepsTable(_Table):
    """``[deps]``: the packages of the job; ``exclude-venv`` leaves out what venv.zip holds."""

    requirements: tuple[Path, ...] = ()
    packages: tuple[str, ...] = ()
    no_deps: bool = False
    exclude_venv: bool = True
    skip_imports: tuple[str, ...] = ()
    slim: tuple[str, ...] | None = None


class DataTable(_Table):
    """``[data.NAME]``: files and folders that become NAME.zip."""

    paths: tuple[Path, ...] = Field(min_length=1)


class JarsTable(_Table):
    """``[jars]``: JAR files of connectors and user code."""

    files: tuple[Path, ...] = ()


class JobTable(_Table):
    """``[job]``: what to run, and how."""

    script: Path | None = None
    module: str | None = None
    files: tuple[Path, ...] = ()
    arguments: tuple[str, ...] = ()
    parallelism: int | None = Field(default=None, ge=1)
    configuration: Mapping[str, _Scalar] = Field(default_factory=dict)


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
    """A read project: ``folder`` is what its relative paths start from, ``file`` None if there
    is no file and all tables have their defaults.
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
    if start.is_file():
        return _read(start)
    own = start / FILE_NAME
    if own.is_file():
        return _read(own)
    shared = start / "pyproject.toml"
    if shared.is_file() and "bundle" in _toml(shared).get("tool", {}):
        return _read(shared)
    if required:
        raise UsageError(
            f"{start} has no {FILE_NAME}, and no pyproject.toml with [tool.bundle].",
            "This command reads from it what to build.",
            "Run `bundle init` to create one, or choose another folder with --project.",
        )
    return Project(start, Tables())


def _toml(file: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = tomllib.loads(file.read_bytes().decode())
        return data
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} is not TOML: {error}",
            "Expected UTF-8 text in TOML 1.0.",
            "Edit that line.",
        ) from error
    except FileNotFoundError as error:
        raise UsageError(
            f"{file} does not exist.", "Expected a bundle.toml.", "Change --project."
        ) from error


def _read(file: Path) -> Project:
    data = _toml(file)
    prefix = ""
    if file.name == "pyproject.toml":
        data = data.get("tool", {}).get("bundle", {})
        prefix = "tool.bundle."
    return Project(file.parent, _validated(data, str(file), prefix), file)


def _validated(data: Mapping[str, Any], origin: str, prefix: str) -> Tables:
    try:
        return Tables.model_validate(data)
    except ValidationError as error:
        problem = first_problem(error)
        found = f"{origin}: {prefix}{problem.key} {problem.found}."
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
