"""From an installed CPython to the files of a prefix that works wherever it is unpacked."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bundler.archive.entry import Entry, Inline, OnDisk
from bundler.base.libraries import Libraries, graft
from bundler.errors import BuildError

if TYPE_CHECKING:
    from bundler.support.interpreters import Interpreter

NEUTRAL_PREFIX = "/install"
"""What replaces the prefix of this machine in text files."""

# Relative to the standard library. Nothing a job imports is among them: tests, what needs a
# display, what only compiles or installs other things, what belongs to this machine, and
# extensions that PEP 594 removes (their libraries need a newer glibc than all the rest).
STANDARD_LIBRARY_LEFT_OUT = re.compile(
    r"(test|idlelib|turtledemo|tkinter|ensurepip|config-[^/]*|site-packages|dist-packages)/"
    r"|(unittest|ctypes|distutils|lib2to3|sqlite3)/tests?/"
    r"|(.*/)?__pycache__/"
    r"|.*\.(pyc|pyo|a|o|exe|whl)$"
    r"|(sitecustomize\.py|turtle\.py|EXTERNALLY-MANAGED)$"
    r"|lib-dynload/(_test|_ctypes_test|_xxtest|xxlimited|xxsubtype|_tkinter)"
    r"|lib-dynload/(_crypt|nis|ossaudiodev|spwd)\."
)

_NAMES_THE_PREFIX = re.compile(
    r"/(_sysconfigdata_[^/]*\.py|_sysconfig_vars_[^/]*\.json|build-details\.json)$"
)


@dataclass(frozen=True, slots=True)
class Prefix:
    """The entries of a prefix, and the files of this machine that they depend on."""

    entries: tuple[Entry, ...]
    site_packages: str
    executable: str
    sources: tuple[Path, ...]
    left_out: dict[str, str]


def make_relocatable(python: Interpreter, architecture: str, staging: Path, owner: str) -> Prefix:
    """Collect ``python`` without what no job needs, able to run from any folder.

    Shared libraries it takes from this machine come along, except those that every target has.
    ``left_out`` names extension modules that do not load here either, each with the library that
    is missing. Changed files are written into ``staging``, which must outlive the entries.

    Raises BuildError if the interpreter is not one for ``architecture`` or patchelf fails.
    """
    library = python.stdlib.relative_to(python.prefix).as_posix()
    executable = f"bin/python{python.minor}"
    files = {f"{library}/{name}": path for name, path in _standard_library(python.stdlib)}
    for path in sorted((python.prefix / "lib").glob(f"libpython{python.minor}*.so.1.0")):
        files[f"lib/{path.name}"] = path
    grafted = graft(
        {executable: python.executable, **files},
        Libraries(architecture, python.sysroot),
        staging,
    )
    if executable in grafted.unusable:
        raise BuildError(
            f"{python.executable} needs {grafted.unusable[executable]}, which is not on this "
            f"machine for {architecture}.",
            "Expected an interpreter that runs here.",
            "Repair it, or use another with --base standalone.",
        )
    entries = [_entry(name, path, python, owner) for name, path in grafted.files.items()]
    for alias in ("bin/python", "bin/python3"):
        entries.append(
            Entry(
                alias, stat.S_IFLNK | 0o755, Inline(PurePosixPath(executable).name.encode()), owner
            )
        )
    return Prefix(
        tuple(sorted(entries, key=lambda entry: entry.name)),
        f"{library}/{_packages_folder(python.stdlib)}",
        executable,
        (python.executable, *grafted.sources),
        grafted.unusable,
    )


def _standard_library(stdlib: Path) -> Iterator[tuple[str, Path]]:
    for folder, folders, names in os.walk(stdlib):
        inside = Path(folder).relative_to(stdlib)
        folders[:] = [
            name for name in folders if not STANDARD_LIBRARY_LEFT_OUT.match(f"{(inside / name)}/")
        ]
        for name in names:
            path = Path(folder, name)
            if not _left_out((inside / name).as_posix()) and path.is_file():
                yield (inside / name).as_posix(), path.resolve()


def _left_out(name: str) -> bool:
    return STANDARD_LIBRARY_LEFT_OUT.match(name) is not None


def _packages_folder(stdlib: Path) -> str:
    """Debian's ``site`` looks only into ``dist-packages``."""
    text = (stdlib / "site.py").read_text(encoding="utf-8")
    return "dist-packages" if '"dist-packages"' in text else "site-packages"


def _entry(name: str, path: Path, python: Interpreter, owner: str) -> Entry:
    is_binary = ".so" in PurePosixPath(name).suffixes or name.startswith("bin/")
    mode = stat.S_IFREG | (0o755 if is_binary else 0o644)
    if _NAMES_THE_PREFIX.search(name) and len(python.prefix.parts) > 2:
        text = path.read_text(encoding="utf-8")
        data = text.replace(str(python.prefix), NEUTRAL_PREFIX).encode()
        return Entry(name, mode, Inline(data), owner)
    return Entry(name, mode, OnDisk(path, path.stat().st_size), owner)
