"""Sources -> wheels in the image of the target: with its Python, compiler and C library."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from bundler.build.engine import engine
from bundler.build.images import SeenImage, last_image, target_image
from bundler.build.log import Log, build_log
from bundler.build.sandbox import Sandbox, name_of, sandbox
from bundler.build.settings import settings_for
from bundler.build.source import Source
from bundler.errors import BuildError, UsageError
from bundler.fetch import digest_of
from bundler.files import whole_file
from bundler.progress import SILENT, Progress
from bundler.verify.wheels import check_wheel

if TYPE_CHECKING:
    from bundler.cache import Cache
    from bundler.target import Target

EPOCH = "315532800"
"""1980-01-01, the first time that a zip can hold."""

_NESTED = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S+)")
_INSTALL = """
set -e
if command -v apt-get >/dev/null; then
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@"
elif command -v dnf >/dev/null; then dnf install -y "$@"
elif command -v yum >/dev/null; then yum install -y "$@"
elif command -v apk >/dev/null; then apk add --no-cache "$@"
else echo "The image has no package manager that is known: apt-get, dnf, yum, apk."; exit 1
fi
"""


@dataclass(frozen=True, slots=True)
class ContainerOptions:
    """How to build in a container.

    ``image`` is an image or the name of a build image; None takes the one of the target's platform.
    ``network`` is the engine's network mode. ``system_packages`` are installed with the image's
    package manager, then the shell commands ``before_build`` run; ``environment`` is for these and
    the builds.
    """

    image: str | None = None
    network: str | None = None
    system_packages: tuple[str, ...] = ()
    before_build: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def build_in_container(
    sources: Sequence[Source],
    target: Target,
    cache: Cache,
    progress: Progress = SILENT,
    options: ContainerOptions = ContainerOptions(),
    *,
    offline: bool = False,
) -> list[Path]:
    """A wheel for each of ``sources``, from the cache if it was built before in the same image.

    Compiled wheels are repaired (auditwheel) to the platform tag of ``target`` and read back.
    With ``offline`` nothing is built and no engine needed. Raises BuildError if there is no engine
    or no image, or a build fails or would be needed; VerificationError if a wheel would not load on
    the target.
    """

    def places(image: str) -> dict[Source, Path]:
        return {
            source: cache.path("built", _key(source, target, image, options), "wheel")
            for source in sources
        }

    if offline:
        seen = last_image(options.image, target, cache)
        return [_kept(source, place, seen) for source, place in places(seen.id).items()]
    with engine() as client:
        image = target_image(client, options.image, target, cache, progress)
        kept = places(str(image.id))
        missing = [source for source in sources if _built(kept[source]) is None]
        if missing:
            what = missing[0].label if len(missing) == 1 else f"{len(missing)} sources"
            name = name_of(image)
            with (
                build_log(missing[0].name, f"Building {what} in {name}", cache, progress) as log,
                sandbox(client, image, network=options.network) as box,
            ):
                _Build(box, target, options, log).all(missing, kept)
    return [path for source in sources if (path := _built(kept[source])) is not None]


def resolve_in_container(
    requirements: Sequence[Path],
    target: Target,
    cache: Cache,
    progress: Progress = SILENT,
    options: ContainerOptions = ContainerOptions(),
) -> str:
    """Pinned and hashed requirements, solved by pip-compile with the target's own Python.

    For sdists whose metadata depend on the interpreter that builds them. Requirements files that
    ``requirements`` include come along. Raises BuildError as `build_in_container` does, and if
    there is no solution.
    """
    with engine() as client:
        image = target_image(client, options.image, target, cache, progress)
        with (
            build_log("resolve", "Resolving in a container", cache, progress) as log,
            sandbox(client, image, network=options.network) as box,
        ):
            build = _Build(box, target, options, log)
            environment = prepare(box, options, log)
            return build.compile(requirements, environment)


def _key(source: Source, target: Target, image: str, options: ContainerOptions) -> str:
    parts = [
        source.digest,
        source.created,
        target.python_minor,
        target.platform,
        image,
        options.system_packages,
        options.before_build,
        sorted(options.environment.items()),
    ]
    return digest_of(json.dumps(parts).encode())


def _built(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob("*.whl"))), None)


def _kept(source: Source, place: Path, image: SeenImage) -> Path:
    wheel = _built(place)
    if wheel is None:
        raise BuildError(
            f"{source.label} was not built in {image.name} yet.",
            "With --offline only the cache is read, and no container is started.",
            "Run once without --offline.",
        )
    return wheel


@dataclass(frozen=True, slots=True)
class _Build:
    box: Sandbox
    target: Target
    options: ContainerOptions
    log: Log

    def all(self, sources: Sequence[Source], kept: Mapping[Source, Path]) -> None:
        environment = prepare(self.box, self.options, self.log)
        for number, source in enumerate(sources):
            self.log.heading(f"Building {source.label}")
            wheel = self._wheel(source, f"/bundle/{number}", environment)
            with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
                path = self.box.get(wheel, Path(scratch))[0]
                check_wheel(path, self.target)
                with whole_file(kept[source] / path.name) as temporary:
                    shutil.copyfile(path, temporary)

    def _wheel(self, source: Source, folder: str, environment: Mapping[str, str]) -> str:
        """Build in ``folder`` of the container; the folder that then holds the wheel alone."""
        python = self._python()
        place = f"{folder}/{source.path.name}"
        self.box.put(source.path, place)
        command = [python, "-m", "pip", "wheel", "-v", "--no-deps", "--use-pep517"]
        command += ["-w", f"{folder}/raw", place]
        failure = f"{source.label} does not build for {self.target.describe()}."
        if not self._bounded(source, command, environment, failure):
            self._do(command, environment, failure)
        name = self.box.read(["ls", f"{folder}/raw"]).strip()
        if any(tag.platform == "any" for tag in parse_wheel_filename(name)[3]):
            return f"{folder}/raw"
        repair(self.box, f"{folder}/raw/{name}", f"{folder}/repaired", self.target, self.log)
        return f"{folder}/repaired"

    def _bounded(
        self,
        source: Source,
        command: Sequence[str],
        environment: Mapping[str, str],
        failure: str,
    ) -> bool:
        """Run ``command`` with build tools from before the lock; False if the index has no times.

        pip older than 26.0 does not know the bound.
        """
        if source.created is None:
            return False
        dateless = False

        def line(text: str) -> None:
            nonlocal dateless
            dateless = dateless or "does not provide upload-time" in text
            self.log.line(text)

        bound = {"PIP_UPLOADED_PRIOR_TO": source.created, **environment}
        if self.box.run(command, line, environment=bound) == 0:
            return True
        if dateless:
            return False
        raise self.log.failed(failure, self.log.reason)

    def compile(self, requirements: Sequence[Path], environment: Mapping[str, str]) -> str:
        """The output of pip-compile, run in an environment of its own."""
        files: dict[str, str] = {}
        for path in requirements:
            _collect(path.resolve(), files)
        for place, text in files.items():
            self.box.write(place, text.encode())
        venv = "/bundle/pip-tools"
        self._do(
            ["sh", "-ec", '"$1" -m venv "$2" && "$2/bin/pip" install -q pip-tools wheel', "sh",
             self._python(), venv],
            environment,
            "pip-tools cannot be installed in the container.",
        )  # fmt: skip
        self.log.heading("Resolving in a container")
        out = "/bundle/requirements.txt"
        self._do(
            [
                f"{venv}/bin/python", "-m", "piptools", "compile", "--quiet", "--generate-hashes",
                "--allow-unsafe", "--no-header", "--no-annotate", "--strip-extras",
                "--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links",
                "--output-file", out, *(_inside(path.resolve()) for path in requirements),
            ],
            environment,
            f"No solution for {self.target.describe()} with its own Python.",
        )  # fmt: skip
        return self.box.read(["cat", out]) + "\n"

    def _python(self) -> str:
        return python_in(self.box, self.target)

    def _do(self, command: Sequence[str], environment: Mapping[str, str], failure: str) -> None:
        _do(self.box, self.log, command, environment, failure)


def prepare(box: Sandbox, options: ContainerOptions, log: Log) -> dict[str, str]:
    """Settings, system packages and commands that come before any build; the builds' environment.

    Raises BuildError if one of them fails.
    """
    environment = {"SOURCE_DATE_EPOCH": EPOCH, **settings_for(box), **options.environment}
    if options.system_packages:
        log.heading("Installing system packages")
        names = ", ".join(options.system_packages)
        command = ["sh", "-c", _INSTALL, "sh", *options.system_packages]
        _do(box, log, command, environment, f"System packages cannot be installed: {names}.")
    for line in options.before_build:
        log.heading(f"Running {line}")
        _do(box, log, ["sh", "-ec", line], environment, f"before-build fails: {line}")
    return environment


def _do(
    box: Sandbox, log: Log, command: Sequence[str], environment: Mapping[str, str], failure: str
) -> None:
    if box.run(command, log.line, environment=environment) != 0:
        raise log.failed(failure, log.reason)


def python_in(box: Sandbox, target: Target) -> str:
    """The target's interpreter in the image. Raises BuildError naming those that are there."""
    minor = target.python_minor.replace(".", "")
    path = f"/opt/python/cp{minor}-{target.abi}/bin/python"
    if box.run(["test", "-x", path], lambda line: None) == 0:
        return path
    there = box.read(["sh", "-c", "ls /opt/python 2>/dev/null || true"]).split()
    raise BuildError(
        f"{box.image} has no {path}.",
        f"It has: {', '.join(there) or 'no Python in /opt/python'}.",
        f"Name another with --image, or add it: bundle image build debian --python "
        f"{target.python_minor}.",
    )


def repair(box: Sandbox, wheel: str, folder: str, target: Target, log: Log) -> None:
    """Graft what ``wheel`` needs beyond the platform tag into it (auditwheel), into ``folder``.

    Raises VerificationError naming file, symbol and version if they are newer than the tag
    allows, BuildError if a library is missing or the image has no auditwheel.
    """
    log.heading(f"Repairing {wheel.rpartition('/')[2]}")
    command = ["auditwheel", "repair", "--plat", target.platform, "--only-plat", "-w", folder]
    status = box.run([*command, wheel], log.line, environment={"SOURCE_DATE_EPOCH": EPOCH})
    if status == 0:
        return
    with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
        for path in box.get(wheel, Path(scratch)):
            check_wheel(path, target, repaired=False)
    if "executable file not found" in log.reason:
        raise log.failed("The image has no auditwheel.", "Expected it on PATH.")
    raise log.failed(
        f"auditwheel cannot make {wheel.rpartition('/')[2]} a {target.platform} wheel.",
        log.reason,
    )


def _inside(path: Path) -> str:
    return f"/bundle/tree{path.as_posix()}"


def _collect(path: Path, files: dict[str, str]) -> None:
    """The text of a requirements file and those it includes, by their place in the container."""
    place = _inside(path)
    if place in files:
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", "Expected a requirements file.", "Correct the path."
        ) from error
    files[place] = ""
    lines = []
    for line in text.splitlines():
        if nested := _NESTED.match(line):
            other = (path.parent / nested[1].strip("\"'")).resolve()
            _collect(other, files)
            line = line[: nested.start(1)] + _inside(other) + line[nested.end(1) :]
        lines.append(f"{line}\n")
    files[place] = "".join(lines)
