"""Building an image from its recipe."""

from __future__ import annotations

import io
import re
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.containers.debian import (
    TOOLS,
    bootstrap_debian,
    fetch_tools,
    find_local_python,
    python_files,
)
from bundler.containers.engine import engine, engine_words, machine_of, proxies
from bundler.containers.images import RECIPE_LABEL, ImageState, image_state, recipe_label
from bundler.containers.log import Log, build_log
from bundler.containers.recipes import recipe_digest, recipe_files, recipes, reference_of
from bundler.containers.words import (
    check_environment,
    check_image,
    check_network,
    check_pythons,
)
from bundler.errors import BuildError, UsageError, unknown
from bundler.session import Session

if TYPE_CHECKING:
    from docker import DockerClient

    from bundler.support.interpreters import Interpreter

_DEBIAN = "debian"
_FREE_THREADED = re.compile(r"3\.(1[3-9]|[2-9]\d)t")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageOptions:
    """How to build an image.

    ``base`` is an image to begin with instead of debootstrap (``debian`` only); ``pythons`` are
    minor versions of this machine's CPythons to put into it, and of free-threaded ones ("3.13t")
    to compile for it (``debian`` only); ``arguments`` are build arguments of the Dockerfile;
    ``network`` is the engine's network mode; ``rebuild`` uses nothing of an earlier build.
    """

    base: str | None = None
    pythons: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None
    rebuild: bool = False

    def __post_init__(self) -> None:
        check_image(self.base)
        check_pythons(self.pythons)
        check_environment(self.arguments)
        check_network(self.network)

    @property
    def free_threaded(self) -> tuple[str, ...]:
        """Those of ``pythons`` that are compiled in the image."""
        return tuple(minor for minor in self.pythons if _FREE_THREADED.fullmatch(minor))


@dataclass(frozen=True, slots=True)
class _Order:
    """What the engine is asked for: an image's ``name`` and the ``context`` it is built from.

    ``context`` pairs files with their places in it; ``label`` is the digest of all that decides
    what the image holds.
    """

    name: str
    context: tuple[tuple[Path, str], ...]
    arguments: Mapping[str, str]
    label: str
    network: str | None
    rebuild: bool


def build_image(name: str, session: Session, options: ImageOptions = ImageOptions()) -> ImageState:
    """Build the image ``name`` unless the same recipe and options are built already.

    Raises UsageError for an unknown name or option, BuildError if the build fails.
    """
    _check(name, options)
    with engine() as client, session.cache.lock(f"image-{name}"):
        machine = machine_of(client)
        copied = [
            find_local_python(minor, machine)
            for minor in options.pythons
            if minor not in options.free_threaded
        ]
        settings = dict(options.arguments)
        if options.free_threaded:
            minors = (minor.removesuffix("t") for minor in options.free_threaded)
            settings.setdefault("FREE_THREADED", " ".join(minors))
        label = recipe_digest(name, _choices(options.base, settings, copied))
        state = image_state(client, name)
        if state.id and not options.rebuild and recipe_label(client, state.id) == label:
            return state
        with (
            build_log(f"image-{name}", f"Building image {name}", session) as log,
            tempfile.TemporaryDirectory(prefix="bundle-image-") as scratch,
        ):
            context = [(path, path.name) for path in recipe_files(name)]
            arguments = {**proxies(), **settings}
            if name == _DEBIAN:
                arguments["BASE"] = options.base or bootstrap_debian(client, log, Path(scratch))
                context += fetch_tools(machine, Path(scratch), session)
                context += python_files(copied, Path(scratch))
            order = _Order(name, tuple(context), arguments, label, options.network, options.rebuild)
            _run_build(client, order, log, Path(scratch))
        return image_state(client, name)


def _check(name: str, options: ImageOptions) -> None:
    if name not in recipes():
        raise unknown(
            "build image", name, recipes(), "Other images need no recipe: name one with --image."
        )
    if name != _DEBIAN and (options.base or options.pythons):
        raise UsageError(
            f"{name} does not take --from or --python.",
            f"It is PyPA's image as it is; --from and --python are for {_DEBIAN}.",
            "Leave them out; --build-arg REGISTRY=... sets the registry to pull from.",
        )


def _choices(
    base: str | None, settings: Mapping[str, str], copied: Sequence[Interpreter]
) -> list[str]:
    """All but the recipe that decides what the image holds."""
    chosen = [repr((base, sorted(settings.items()), TOOLS))]
    for python in copied:
        stat = (python.stdlib / "os.py").stat()
        chosen.append(f"{python.prefix} {python.version} {stat.st_mtime_ns}")
    return chosen


def _run_build(client: DockerClient, order: _Order, log: Log, scratch: Path) -> None:
    from docker.errors import APIError

    log.heading(f"Building image {order.name}")
    packed = scratch / "context.tar"
    with tarfile.open(packed, "w") as tar:
        for path, inside in order.context:
            tar.add(path, inside, recursive=False, filter=_anonymous)
    try:
        with packed.open("rb") as file:
            events = client.api.build(
                fileobj=file,
                custom_context=True,
                tag=reference_of(order.name),
                buildargs=dict(order.arguments),
                labels={RECIPE_LABEL: order.label},
                network_mode=order.network,
                nocache=order.rebuild,
                rm=True,
                forcerm=True,
                decode=True,
            )
            for event in events:
                for line in io.StringIO(str(event.get("stream", event.get("status", "")))):
                    log.line(line)
                if "error" in event:
                    raise _failed(order.name, str(event["error"]), log)
    except APIError as error:
        raise _failed(order.name, engine_words(error), log) from error


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    # The engine's layer cache compares these too.
    member.mtime = 0
    return member


def _failed(name: str, said: str, log: Log) -> BuildError:
    said = said.strip().splitlines()[-1] if said.strip() else "no reason given"
    hint = ""
    if name != _DEBIAN:
        hint = (
            "Its base image comes from a registry: name one that you can reach with --build-arg "
            f"REGISTRY=..., or build with --image {_DEBIAN}."
        )
    return log.failed(f"The image {name} could not be built: {said}", hint)
