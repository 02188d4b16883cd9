"""Lock -> wheel files: fetched where the index has one that fits, built where it has none."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.pylock import PackageArchive, PackageWheel
from packaging.utils import canonicalize_name, parse_wheel_filename

from bundler.errors import BuildError, option, unknown
from bundler.lock.fetch import download_of, fetch
from bundler.lock.pylock import Lock
from bundler.session import Session
from bundler.support.transfer import Download
from bundler.target import Target
from bundler.wheels.on_host import TargetNeededError, build_locally
from bundler.wheels.sources import Source, obtain_source

if TYPE_CHECKING:
    from bundler.containers.container_options import ContainerOptions

BUILDERS = ("auto", "container", "local")


@dataclass(frozen=True, slots=True)
class Builder:
    """Where sources are built.

    ``kind``: ``local`` on this machine alone, ``container`` all in the target's image, ``auto``
    what is pure Python here and the rest in the image. ``options`` are for the container.
    """

    kind: str = "auto"
    options: ContainerOptions | None = None

    def __post_init__(self) -> None:
        if self.kind not in BUILDERS:
            raise unknown("builder", self.kind, BUILDERS, f"Change {option('builder')}.")


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel file on this machine, with its normalized name and its version."""

    name: str
    version: str
    path: Path


def obtain_wheels(
    lock: Lock,
    target: Target,
    session: Session,
    *,
    builder: Builder = Builder(),
    without: Collection[str] = (),
    indexes: Sequence[str] = (),
) -> list[Wheel]:
    """A wheel for each package of ``lock`` but those named in ``without``, sorted by name.

    ``indexes`` are index URLs beside those that are set up, for their credentials.
    Raises FetchError, or BuildError for a source that cannot be built for ``target``.
    """
    downloads: list[Download] = []
    sources: list[Source] = []
    for package, picked in lock.select(target):
        name = str(package.name)
        if name in without:
            continue
        if isinstance(picked, PackageWheel) or (
            isinstance(picked, PackageArchive) and _is_wheel(picked)
        ):
            downloads.append(download_of(name, picked, lock.folder))
        else:
            sources.append(obtain_source(package, picked, lock, session, indexes=indexes))
    fetched = fetch(downloads, session, indexes=indexes)
    made = _build(sources, target, session, builder)
    return sorted(map(_named, (*fetched, *made)), key=lambda wheel: wheel.name)


def _is_wheel(archive: PackageArchive) -> bool:
    return (archive.url or archive.path or "").partition("#")[0].endswith(".whl")


def _named(path: Path) -> Wheel:
    name, version, _, _ = parse_wheel_filename(path.name)
    return Wheel(canonicalize_name(name), str(version), path)


def _build(
    sources: Sequence[Source], target: Target, session: Session, builder: Builder
) -> list[Path]:
    wheels: list[Path] = []
    compiled: list[Source] = []
    refusals: list[TargetNeededError] = []
    for source in sources:
        if builder.kind == "container":
            compiled.append(source)
            continue
        try:
            wheels.append(build_locally(source, target, session))
        except TargetNeededError as refusal:
            compiled.append(source)
            refusals.append(refusal)
    if not compiled:
        return wheels
    if builder.kind == "local":
        raise refusals[0]
    from bundler.containers.container_options import ContainerOptions
    from bundler.wheels.in_container import build_in_container

    try:
        return wheels + build_in_container(
            compiled,
            target,
            session,
            builder.options or ContainerOptions(),
        )
    except BuildError as error:
        if not refusals:
            raise
        raise BuildError(
            refusals[0].found,
            refusals[0].expected,
            f"The build in a container failed too: {error.found} {error.remedy}",
        ) from error
