"""Sources -> wheels in the image of the target: with its Python, compiler and C library."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import parse_wheel_filename

from bundler.containers.choose import SeenImage, last_image, obtain_image
from bundler.containers.container_options import ContainerOptions
from bundler.containers.engine import engine
from bundler.containers.log import Log, build_log
from bundler.containers.sandbox import Sandbox, name_of, sandbox
from bundler.containers.steps import prepare, python_in, run_step
from bundler.errors import not_cached
from bundler.session import Session
from bundler.support.cache import Cache, is_kept
from bundler.support.files import digest_of
from bundler.wheels.fit import check_wheel
from bundler.wheels.repair import built_name, fetch_built, repair
from bundler.wheels.sources import Source
from bundler.wheels.trees import check_sdist

if TYPE_CHECKING:
    from bundler.target import Target

# Part of every key: to be raised when the same source would give another wheel than before.
_RECIPE = "2"


def build_in_container(
    sources: Sequence[Source],
    target: Target,
    session: Session,
    options: ContainerOptions,
) -> list[Path]:
    """A wheel for each of ``sources``, from the cache if it was built before in the same image.

    Compiled wheels are repaired (auditwheel) to the platform tag of ``target`` and read back.
    With ``offline`` nothing is built and no engine needed. Raises BuildError if there is no engine
    or no image, or a build fails or would be needed; VerificationError if a wheel would not load on
    the target.
    """

    def places(image: str) -> dict[Source, Path]:
        return {
            source: session.cache.path("built", _key(source, target, image, options), "wheel")
            for source in sources
        }

    if session.offline:
        seen = last_image(options.image, target, session.cache)
        return [_kept(source, place, seen) for source, place in places(seen.id).items()]
    with engine() as client:
        image = obtain_image(client, options.image, target, session)
        kept = places(str(image.id))
        missing = [source for source in sources if _built(kept[source]) is None]
        if missing:
            what = missing[0].label if len(missing) == 1 else f"{len(missing)} sources"
            name = name_of(image)
            with (
                build_log(missing[0].name, f"Building {what} in {name}", session) as log,
                sandbox(client, image, network=options.network) as box,
            ):
                _Build(box, target, options, log, session.cache).all(missing, kept)
    return [path for source in sources if (path := _built(kept[source])) is not None]


def _key(source: Source, target: Target, image: str, options: ContainerOptions) -> str:
    parts = [
        _RECIPE,
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
    return next((path for path in sorted(folder.glob("*.whl")) if is_kept(path)), None)


def _kept(source: Source, place: Path, image: SeenImage) -> Path:
    wheel = _built(place)
    if wheel is None:
        raise not_cached(f"{source.label}, built in {image.name}")
    return wheel


@dataclass(frozen=True, slots=True)
class _Build:
    box: Sandbox
    target: Target
    options: ContainerOptions
    log: Log
    cache: Cache

    def all(self, sources: Sequence[Source], kept: Mapping[Source, Path]) -> None:
        environment = prepare(self.box, self.options, self.log)
        for number, source in enumerate(sources):
            self.log.heading(f"Building {source.label}")
            wheel = self._wheel(source, f"/bundle/{number}", environment)
            with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
                path = fetch_built(self.box, wheel, Path(scratch))
                check_wheel(path, self.target)
                self.cache.keep_file(path, kept[source] / path.name)

    def _wheel(self, source: Source, folder: str, environment: Mapping[str, str]) -> str:
        """Build in ``folder`` of the container; the folder that then holds the wheel alone."""
        python = self._python()
        place = f"{folder}/{source.path.name}"
        if source.path.is_file():
            check_sdist(source.path)
        self.box.put(source.path, place)
        command = [python, "-m", "pip", "wheel", "-v", "--no-deps", "--use-pep517"]
        command += ["-w", f"{folder}/raw", place]
        failure = f"{source.label} did not build for {self.target.describe()}."
        if not self._bounded(source, command, environment, failure):
            self._do(command, environment, failure)
        name = built_name(self.box, f"{folder}/raw", source.name)
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

    def _python(self) -> str:
        return python_in(self.box, self.target)

    def _do(self, command: Sequence[str], environment: Mapping[str, str], failure: str) -> None:
        run_step(self.box, self.log, command, environment, failure)
