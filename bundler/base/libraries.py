"""The shared libraries that a prefix takes from the machine it was made on, and how it finds them.

What may be left to the target is what the manylinux policies allow (PEP 600: glibc itself and the
compiler's run-time); anything else travels in the prefix's ``lib`` folder.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from bundler.elf.info import MAGIC, ElfInfo, read_elf_file
from bundler.elf.runpath import set_runpath
from bundler.elf.strip import strip
from bundler.errors import VerificationError

TARGET_HAS = frozenset(
    {
        "libc.so.6",
        "libm.so.6",
        "libdl.so.2",
        "libpthread.so.0",
        "librt.so.1",
        "libutil.so.1",
        "libresolv.so.2",
        "libgcc_s.so.1",
        "libstdc++.so.6",
        "ld-linux-x86-64.so.2",
        "ld-linux-aarch64.so.1",
    }
)


@dataclass(frozen=True, slots=True)
class Libraries:
    """Finds shared libraries as the loader of the file system under ``sysroot`` would."""

    architecture: str
    sysroot: Path = Path("/")
    _found: dict[str, Path | None] = field(default_factory=dict)

    def find(self, name: str, needed_by: Path, runpath: tuple[str, ...] = ()) -> Path | None:
        """The file that ``name`` stands for; None if there is none of this architecture."""
        for folder in runpath:
            here = folder.replace("${ORIGIN}", "$ORIGIN")
            if here.startswith("$ORIGIN"):
                path = Path(here.replace("$ORIGIN", str(needed_by.parent), 1))
            else:
                path = self._inside(here)
            if (found := self._resolved(path / name)) is not None:
                return found
        if name not in self._found:
            self._found[name] = next(
                filter(None, (self._resolved(folder / name) for folder in self._folders())), None
            )
        return self._found[name]

    def _folders(self) -> Iterator[Path]:
        yield from _configured(self._inside("/etc/ld.so.conf"), self.sysroot)
        triplet = f"{self.architecture}-linux-gnu"
        for folder in (f"lib/{triplet}", f"usr/lib/{triplet}", "lib64", "usr/lib64", "lib"):
            yield self.sysroot / folder
        yield self.sysroot / "usr/lib"
        yield self.sysroot / "usr/local/lib"

    def _inside(self, path: str) -> Path:
        return self.sysroot / path.lstrip("/")

    def _resolved(self, path: Path) -> Path | None:
        """Follow symlinks inside the sysroot; None unless it ends at a library that would load."""
        for _ in range(16):
            if not path.is_symlink():
                break
            link = path.readlink()
            path = self._inside(str(link)) if link.is_absolute() else path.parent / link
        if not path.is_file():
            return None
        try:
            info = read_elf_file(path)
        except VerificationError:
            return None
        fits = info is not None and info.machine == self.architecture
        return Path(os.path.normpath(path)) if fits else None


def _configured(path: Path, sysroot: Path) -> Iterator[Path]:
    """Folders that an ld.so.conf(5) names, in order."""
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "include":
            for pattern in words[1:]:
                for included in sorted(sysroot.glob(pattern.lstrip("/"))):
                    yield from _configured(included, sysroot)
        else:
            yield sysroot / words[0].lstrip("/")


@dataclass(frozen=True, slots=True)
class Grafted:
    """Prefix files after the missing libraries were added and every RUNPATH made relative.

    ``files`` are names relative to the prefix and where the bytes are now, ``sources`` the
    libraries of this machine that went in, ``unusable`` the names that were left out because a
    library of theirs is nowhere on this machine, with that library.
    """

    files: dict[str, Path]
    sources: tuple[Path, ...]
    unusable: dict[str, str]


def graft(
    files: Mapping[str, Path], libraries: Libraries, staging: Path, folder: str = "lib"
) -> Grafted:
    """Add to ``files`` (name -> path) what they need beyond the target's own libraries.

    Libraries land in ``folder``; changed copies are written into ``staging``. Raises BuildError
    when patchelf is missing or fails, VerificationError when a file is damaged ELF.
    """
    done = dict(files)
    elves: dict[str, tuple[Path, ElfInfo]] = {}
    unusable: dict[str, str] = {}
    grafts: dict[str, Path] = {}
    own = {PurePosixPath(name).name: name for name in files}
    for name, path in files.items():
        info = _elf(path)
        if info is None:
            continue
        found, missing = _closure(path, info, libraries, own)
        if missing:
            unusable[name] = missing
            del done[name]
            continue
        elves[name] = (path, info)
        grafts.update(found)
    for soname, path in grafts.items():
        info = read_elf_file(path)
        if info is not None:
            elves[f"{folder}/{soname}"] = (path, info)
    inside = {soname: f"{folder}/{soname}" for soname in grafts} | {
        base: name for base, name in own.items() if base not in grafts
    }
    for name, (path, info) in elves.items():
        done[name] = _relocated(name, path, info, inside, staging)
    return Grafted(done, tuple(sorted(set(grafts.values()))), unusable)


def _elf(path: Path) -> ElfInfo | None:
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            return None
    return read_elf_file(path)


def _closure(
    path: Path, info: ElfInfo, libraries: Libraries, own: Mapping[str, str]
) -> tuple[dict[str, Path], str]:
    """Every library that ``path`` needs from outside, by DT_NEEDED name, or one not found."""
    found: dict[str, Path] = {}
    open_ends = [(path, info)]
    while open_ends:
        asking, demands = open_ends.pop()
        for name in demands.needed:
            if name in TARGET_HAS or name in found or name in own:
                continue
            library = libraries.find(name, asking, demands.runpath)
            if library is None:
                return {}, name
            found[name] = library
            if (more := read_elf_file(library)) is not None:
                open_ends.append((library, more))
    return found, ""


def _relocated(
    name: str, path: Path, info: ElfInfo, inside: Mapping[str, str], staging: Path
) -> Path:
    here = PurePosixPath(name).parent
    folders = sorted(
        {
            os.path.relpath(PurePosixPath(inside[needed]).parent, here)
            for needed in info.needed
            if needed in inside
        }
    )
    runpath = tuple("$ORIGIN" if folder == "." else f"$ORIGIN/{folder}" for folder in folders)
    copy = staging / name
    copy.parent.mkdir(parents=True, exist_ok=True)
    if not strip(path, copy, symbols=False):
        if runpath == info.runpath:
            return path
        shutil.copyfile(path, copy)
    copy.chmod(0o755)
    if runpath != info.runpath:
        set_runpath(copy, runpath)
    return copy
