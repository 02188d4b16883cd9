"""The CPython of a build image, with the libraries that it takes from there."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bundler.base.model import Base
from bundler.base.prefix import make_relocatable
from bundler.base.store import NewBase, keep, key_of, load
from bundler.errors import BuildError, not_cached
from bundler.session import Session
from bundler.support.files import read_bounded
from bundler.support.interpreters import Interpreter
from bundler.support.untar import untar

if TYPE_CHECKING:
    from bundler.containers.sandbox import Sandbox
    from bundler.target import Target

_LARGEST = 4 << 30
_PACK = "/bundle/pack.py"
_PACKED = "/bundle/packed"

# Runs in the image, with the Python that it packs (3.5 or newer). Libraries go in under the path
# that the loader found them by, so that they are found again under the unpacked root.
_SCRIPT = r"""
import json, os, subprocess, sys, sysconfig, tarfile

prefix, stdlib = os.path.realpath(sys.base_prefix), os.path.realpath(sysconfig.get_path("stdlib"))
minor = "%d.%d" % sys.version_info[:2]
executable = os.path.realpath(os.path.join(prefix, "bin", "python" + minor))
lib = os.path.join(prefix, "lib")
files, elves = [], [executable]
for name in os.listdir(lib):
    if name.startswith("libpython" + minor) and name.endswith(".so.1.0"):
        elves.append(os.path.join(lib, name))
for folder, folders, names in os.walk(stdlib):
    folders[:] = [name for name in folders if name not in (
        "test", "tests", "__pycache__", "site-packages", "dist-packages", "idlelib", "ensurepip")
        and not name.startswith("config-")]
    for name in names:
        path = os.path.join(folder, name)
        (elves if ".so" in name else files).append(path)
libraries = set()
for path in elves:
    try:
        said = subprocess.check_output(["ldd", path], stderr=subprocess.STDOUT).decode()
    except subprocess.CalledProcessError:
        continue
    for line in said.splitlines():
        words = line.split()
        if "=>" in words and len(words) > 3 and words[2].startswith("/"):
            libraries.add(words[2])
if os.path.exists("/etc/ld.so.conf"):
    files.append("/etc/ld.so.conf")
if os.path.isdir("/etc/ld.so.conf.d"):
    for name in os.listdir("/etc/ld.so.conf.d"):
        files.append(os.path.join("/etc/ld.so.conf.d", name))
os.makedirs(sys.argv[1])
with tarfile.open(os.path.join(sys.argv[1], "python.tar"), "w", dereference=True) as tar:
    for path in sorted(set(files) | set(elves)):
        if os.path.isfile(path):
            tar.add(path)
    for path in sorted(libraries):
        if path not in elves:
            found = tar.gettarinfo(os.path.realpath(path), path)
            with open(os.path.realpath(path), "rb") as file:
                tar.addfile(found, file)
facts = {"prefix": prefix, "stdlib": stdlib, "executable": executable,
         "version": "%d.%d.%d" % sys.version_info[:3]}
with open(os.path.join(sys.argv[1], "facts.json"), "w") as file:
    json.dump(facts, file)
"""


def make_manylinux_base(target: Target, session: Session, image: str | None = None) -> Base:
    """The base made of ``/opt/python/cpXY-...`` in ``image``, from the cache if it was made before.

    ``image`` is an image or the name of a build image; None takes the one of the target's platform.
    With ``offline`` no engine is needed. Raises BuildError if there is no engine, no such image, or
    no such Python in it.
    """
    # Imported here, so that the other bases need no container packages.
    from bundler.containers.choose import last_image, obtain_image
    from bundler.containers.engine import engine
    from bundler.containers.sandbox import name_of, sandbox
    from bundler.containers.steps import python_in

    if session.offline:
        seen = last_image(image, target, session.cache)
        base = load(
            session.cache, _identity(seen.id, target), "manylinux", f"the Python of {seen.name}"
        )
        if base is None:
            raise not_cached(f"Python {target.python} of {seen.name}")
        return base
    with engine() as client:
        found = obtain_image(client, image, target, session)
        name = name_of(found)

        def make(staging: Path) -> NewBase:
            with (
                session.progress.task(f"Taking Python {target.python_minor} out of {name}"),
                sandbox(client, found, network="none") as box,
            ):
                python = _unpack(box, python_in(box, target), staging / "root")
            if python.version != target.python and python.minor != target.python:
                raise BuildError(
                    f"{name} has Python {python.version}.",
                    f"The target is Python {target.python}.",
                    f"Use --python {python.minor} or {python.version}, or another --image.",
                )
            with session.progress.task(f"Making Python {python.version} relocatable"):
                owner = f"Python {python.version} (manylinux)"
                prefix = make_relocatable(python, target.architecture, staging / "changed", owner)
            for left_out, library in sorted(prefix.left_out.items()):
                session.progress.note(
                    f"Left out {left_out}: it needs {library}, which the image lacks."
                )
            return NewBase(python.version, prefix.entries, prefix.site_packages, prefix.executable)

        identity = _identity(str(found.id), target)
        return keep(session, identity, "manylinux", f"the Python of {name}", make)


def _identity(image: str, target: Target) -> str:
    return key_of("manylinux", image, target.python)


def _unpack(box: Sandbox, executable: str, root: Path) -> Interpreter:
    box.write(_PACK, _SCRIPT.encode())
    box.read([executable, "-I", _PACK, _PACKED])
    with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
        packed = {path.name: path for path in box.get(_PACKED, Path(scratch))}
        facts = _facts(packed, box.image)
        untar(packed["python.tar"], root, what=f"The Python of {box.image}", largest=_LARGEST)

    def inside(path: PurePosixPath) -> Path:
        return root / path.relative_to("/")

    return Interpreter(
        inside(facts.prefix), inside(facts.executable), inside(facts.stdlib), facts.version, root
    )


class _Facts(BaseModel):
    """What `_SCRIPT` says of the image's Python: absolute paths, the last two in the first."""

    model_config = ConfigDict(extra="forbid")

    prefix: PurePosixPath
    stdlib: PurePosixPath
    executable: PurePosixPath
    version: str = Field(pattern=r"^3\.[0-9]{1,2}\.[0-9]{1,2}$")

    @model_validator(mode="after")
    def _inside(self) -> _Facts:
        for path in (self.prefix, self.stdlib, self.executable):
            if not path.is_absolute() or ".." in path.parts or len(self.prefix.parts) < 2:
                raise ValueError(f"{path} is not an absolute path")
        if not all(path.is_relative_to(self.prefix) for path in (self.stdlib, self.executable)):
            raise ValueError(f"{self.stdlib} is not in {self.prefix}")
        return self


def _facts(packed: Mapping[str, Path], image: str) -> _Facts:
    try:
        if not packed["python.tar"].stat().st_size:
            raise KeyError("python.tar")
        return _Facts.model_validate_json(read_bounded(packed["facts.json"], 1 << 16))
    except (KeyError, ValidationError) as error:
        raise BuildError(
            f"The Python of {image} could not be packed: {' '.join(str(error).split())[:200]}",
            "Expected its files, prefix, executable, standard library and version.",
            "Choose another image with --image.",
        ) from error
