"""Pythons on this machine: uv-managed, pyenv, on PATH, or the system's own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from bundler.support.process import run

if TYPE_CHECKING:
    from bundler.target import Target


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A CPython installation on disk.

    ``version`` is full ("3.11.7"). ``sysroot`` is the root of the file system that its shared
    libraries are looked up in: "/" or the unpacked tree of an image.
    """

    prefix: Path
    executable: Path
    stdlib: Path
    version: str
    sysroot: Path = Path("/")

    @property
    def minor(self) -> str:
        """The minor version, such as "3.11"."""
        return ".".join(self.version.split(".")[:2])


# Without site, base_prefix is the installation even when asked from a virtual environment.
_PROBE = """
import json, sys, sysconfig
print(json.dumps([
    sys.implementation.name, "%d.%d.%d" % sys.version_info[:3], sys.base_prefix,
    sysconfig.get_path("stdlib"), sys.abiflags.replace("m", ""),
]))
"""


@dataclass(frozen=True, slots=True)
class HostPython:
    """A usable local interpreter, and whose it is ("pyenv", "uv", "PATH", "system")."""

    interpreter: Interpreter
    source: str


def find_host(target: Target) -> HostPython | None:
    """The first local CPython of the target's version and architecture; None if there is none.

    uv-managed Pythons come first since they need the oldest glibc, then pyenv's, then PATH.
    Debug and free-threaded builds are passed over: their ABI is another.
    """
    if platform.machine() != target.architecture:
        return None
    seen: set[Path] = set()
    for source, executable in _executables(target):
        resolved = executable.resolve()
        if resolved in seen or not _is_elf(resolved):
            continue
        seen.add(resolved)
        interpreter = _probe(executable, target)
        if interpreter is not None:
            return HostPython(interpreter, source)
    return None


def _executables(target: Target) -> Iterator[tuple[str, Path]]:
    name = f"python{target.python_minor}"
    for parent in _newest_first(
        uv_python_folder(), f"cpython-{target.python_minor}.*-linux-{target.architecture}-gnu"
    ):
        yield "uv", parent / "bin" / name
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for parent in _newest_first(pyenv / "versions", f"{target.python_minor}.*"):
        yield "pyenv", parent / "bin" / name
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if folder:
            yield "PATH", Path(folder) / name
    for folder in ("/usr/bin", "/usr/local/bin"):
        yield "system", Path(folder) / name


def uv_python_folder() -> Path:
    """Where uv installs Pythons (docs.astral.sh/uv, "Storage")."""
    if given := os.environ.get("UV_PYTHON_INSTALL_DIR"):
        return Path(given)
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
    return Path(data) / "uv/python"


def _newest_first(folder: Path, pattern: str) -> list[Path]:
    def version(path: Path) -> tuple[int, ...]:
        numbers = path.name.removeprefix("cpython-").split("-")[0].split(".")
        return tuple(int(number) if number.isdigit() else -1 for number in numbers)

    return sorted(folder.glob(pattern), key=version, reverse=True)


def _is_elf(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) == b"\x7fELF"
    except OSError:
        return False


def _probe(executable: Path, target: Target) -> Interpreter | None:
    try:
        finished = run([executable, "-I", "-S", "-c", _PROBE], timeout=60)
        name, version, prefix, stdlib, flags = json.loads(finished.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    wanted = target.python if target.python.count(".") == 2 else target.python_minor
    if name != "cpython" or flags or not f"{version}.".startswith(f"{wanted}."):
        return None
    installed = Path(prefix, "bin", f"python{target.python_minor}")
    if not installed.is_file() or not Path(stdlib).is_relative_to(prefix):
        return None
    return Interpreter(Path(prefix), installed.resolve(), Path(stdlib), str(Version(version)))
