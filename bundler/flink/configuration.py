"""Flink's own configuration keys for a bundle, in the forms that Flink reads."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from bundler.errors import UsageError

if TYPE_CHECKING:
    from bundler.flink.values import JobBundle


@dataclass(frozen=True, slots=True)
class Configuration:
    """Flink's options for ``job`` in each form; ``archives_at`` as ``base`` of
    `flink_configuration`.
    """

    job: JobBundle
    archives_at: str | None = None

    @property
    def name(self) -> str:
        """The configuration file that this Flink reads: "config.yaml" or "flink-conf.yaml"."""
        return config_name(self.job.target.flink)

    @property
    def options(self) -> dict[str, object]:
        """The options as values; lists are lists."""
        return flink_configuration(self.job, base=self.archives_at)

    @property
    def settings(self) -> dict[str, str]:
        """The options as ``-D`` and the REST API take them: every value as text."""
        return {key: flat(value) for key, value in self.options.items()}

    @property
    def text(self) -> str:
        """The options as lines of that file. Raises UsageError if it cannot hold a value."""
        return render(self.job, base=self.archives_at)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The arguments of ``flink``, from ``run`` on. Raises UsageError if there is no job."""
        return tuple(flink_run_arguments(self.job, base=self.archives_at))

    @property
    def command(self) -> str:
        """``flink`` with its arguments as one line to paste into a shell."""
        return shlex.join(["flink", *self.arguments])


def flink_configuration(bundle: JobBundle, *, base: str | None = None) -> dict[str, object]:
    """The options that make a job use ``bundle``; lists are lists, all else is text or numbers.

    With ``base``, a folder or URL that every node reads, the archives are looked for there and
    JARs become ``pipeline.classpaths``. Without it, all paths are this machine's and the client
    uploads what they name (``pipeline.jars``).
    """
    configuration: dict[str, object] = {}
    archives = [path for path in (bundle.venv, *bundle.data) if path is not None]
    if archives:
        configuration["python.archives"] = _joined(archives, base)
    configuration["python.executable"] = bundle.python_executable
    configuration["python.client.executable"] = bundle.python_executable
    files = [path for path in (bundle.deps, *bundle.files) if path is not None]
    if files:
        configuration["python.files"] = _joined(files, base)
    if bundle.jars:
        paths = [jar.path for jar in bundle.jars]
        if base is None:
            configuration["pipeline.jars"] = [path.absolute().as_uri() for path in paths]
        else:
            configuration["pipeline.classpaths"] = [_url(path, base) for path in paths]
    if bundle.parallelism is not None:
        configuration["parallelism.default"] = bundle.parallelism
    return configuration | dict(bundle.configuration)


def render(bundle: JobBundle, *, base: str | None = None) -> str:
    """The bundle's options as the text of the target's configuration file, `config_name`."""
    return render_yaml(flink_configuration(bundle, base=base), bundle.target.flink)


def config_name(version: str) -> str:
    """The configuration file that every Flink of this version's line reads."""
    return "config.yaml" if _is_standard_yaml(version) else "flink-conf.yaml"


def render_yaml(configuration: Mapping[str, object], version: str) -> str:
    """``configuration`` as config.yaml (2.0 and newer) or flink-conf.yaml (1.x).

    Flink 2 reads real YAML. Flink 1 splits each line at the first colon and cuts it at the first
    ``#``, knows no quotes, and separates lists with semicolons; a value that cannot be written
    so raises UsageError.
    """
    form = _yaml_line if _is_standard_yaml(version) else _properties_line
    return "".join(f"{form(key, value)}\n" for key, value in configuration.items())


def flat(value: object) -> str:
    """A value as one string, as ``-D`` and the REST API take it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ";".join(str(part) for part in value)
    return str(value)


def flink_run_arguments(
    bundle: JobBundle, *, base: str | None = None, master: str | None = None, detached: bool = False
) -> list[str]:
    """The arguments of ``flink`` that submit the job, beginning with ``run``.

    All paths are absolute: with archives, Flink's client changes its working folder. It uploads
    one JAR (``--jarfile``) and overwrites ``pipeline.jars``, so several become ``--classpath``,
    which every node must have in the same place. Raises UsageError if the bundle has no job.
    """
    configuration = flink_configuration(bundle, base=base)
    arguments = ["run"]
    if detached:
        arguments.append("--detached")
    if master is not None:
        arguments += ["--jobmanager", master]
    if bundle.parallelism is not None:
        arguments += ["--parallelism", flat(configuration.pop("parallelism.default"))]
    for key, flag in (
        ("python.archives", "--pyArchives"),
        ("python.executable", "--pyExecutable"),
        ("python.client.executable", "--pyClientExecutable"),
        ("python.files", "--pyFiles"),
    ):
        if key in configuration:
            arguments += [flag, flat(configuration.pop(key))]
    if base is None and len(bundle.jars) == 1:
        configuration.pop("pipeline.jars", None)
        arguments += ["--jarfile", str(bundle.jars[0].path)]
    for key in ("pipeline.jars", "pipeline.classpaths"):
        for url in configuration.pop(key, ()):  # type: ignore[attr-defined]
            arguments += ["--classpath", url]
    arguments += [f"-D{key}={flat(value)}" for key, value in configuration.items()]
    return [*arguments, *entry_arguments(bundle), *bundle.arguments]


def entry_arguments(bundle: JobBundle) -> list[str]:
    """How PythonDriver and ``flink run`` are told what to run."""
    if bundle.script is not None:
        return ["--python", str(bundle.script.absolute())]
    if bundle.module is not None:
        return ["--pyModule", bundle.module]
    raise no_job()


def no_job() -> UsageError:
    """The error for a bundle that has neither a script nor a module."""
    return UsageError(
        "The bundle has no job to run.",
        "Expected a script or a module.",
        "Set job.script or job.module in bundle.toml, or give --script or --module.",
    )


def _is_standard_yaml(version: str) -> bool:
    return Version(version) >= Version("2.0")


def _joined(paths: list[Path], base: str | None) -> str:
    places = [_place(path, base) for path in paths]
    for place in places:
        if "," in place or "#" in place:
            raise UsageError(
                f"The path {place} has a comma or a # in it.",
                "Flink separates archives with commas and reads the text after # as their name.",
                "Move the file to a folder without them.",
            )
    return ",".join(places)


def _place(path: Path, base: str | None) -> str:
    return str(path.absolute()) if base is None else f"{base.rstrip('/')}/{path.name}"


def _url(path: Path, base: str) -> str:
    place = _place(path, base)
    return place if "://" in place or place.startswith("file:") else f"file://{place}"


def _yaml_line(key: str, value: object) -> str:
    # JSON is YAML, and its quoting leaves nothing to a reader's guess.
    return f"{key}: {json.dumps(value, ensure_ascii=False)}"


def _properties_line(key: str, value: object) -> str:
    text = flat(value)
    if "#" in text or "\n" in text or text != text.strip():
        raise UsageError(
            f"flink-conf.yaml cannot hold {key}: {text!r}.",
            "It has no quotes: a # starts a comment, and spaces at the ends are lost.",
            "Change the value, or pass it to `flink run` with -D.",
        )
    return f"{key}: {text}"
