"""A wheel in memory, as it is before it is split."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name, parse_wheel_filename

from bundler.archive.content import whole
from bundler.archive.entry import Member
from bundler.archive.read import zip_entries
from bundler.elf.info import MAGIC, ElfInfo, read_elf
from bundler.errors import BuildError

MARGIN = 16 << 10
"""What a wheel's own metadata takes beside its content, and what deflate may differ by."""

_EXTENSION = re.compile(r"\.(cpython-[^/]+|abi3)\.so$")


@dataclass(frozen=True, eq=False, slots=True)
class OpenedWheel:
    """A wheel's members; ``binaries`` are its dynamic ELF files, sizes are in bytes."""

    path: Path
    name: str
    version: str
    tag: str
    size: int
    members: Mapping[str, bytes]
    compressed: Mapping[str, int]
    binaries: Mapping[str, ElfInfo]

    @classmethod
    def read(cls, path: Path) -> OpenedWheel:
        """Read the wheel ``path`` whole. Raises UsageError if it is not a sound zip."""
        name, version, _, _ = parse_wheel_filename(path.name)
        entries = zip_entries(path, path.name)
        members = {entry.name: whole(entry.content) for entry in entries}
        binaries = {
            member: info
            for member, data in members.items()
            if data.startswith(MAGIC) and (info := read_elf(data)) is not None
        }
        return cls(
            path,
            canonicalize_name(name),
            str(version),
            "-".join(path.stem.split("-")[-3:]),
            path.stat().st_size,
            members,
            {
                entry.name: entry.content.compressed_size
                for entry in entries
                if isinstance(entry.content, Member)
            },
            binaries,
        )

    @property
    def platform(self) -> str:
        """The platform part of the wheel's tags."""
        return self.tag.rpartition("-")[2]

    @property
    def module(self) -> str:
        """The name as a part of module names."""
        return self.name.replace("-", "_")

    @property
    def dist_info(self) -> str:
        """The name of the folder with the wheel's metadata."""
        return next(
            name.partition("/")[0] for name in self.members if name.endswith(".dist-info/WHEEL")
        )

    def digest(self, member: str) -> str:
        """The hexadecimal SHA-256 of a member's bytes."""
        return hashlib.sha256(self.members[member]).hexdigest()

    def to_move(self, max_size: int) -> list[str]:
        """The largest binaries, as many as must go for the rest to fit. Raises BuildError."""
        left = self.size + MARGIN
        names = []
        for name in sorted(self.binaries, key=lambda name: -self.compressed[name]):
            if left <= max_size:
                break
            names.append(name)
            left -= self.compressed[name]
        if left > max_size:
            raise too_large(self, left, max_size)
        return names

    def joined(self, moved: Sequence[str]) -> tuple[list[str], list[str]]:
        """The extensions that need one of ``moved``, and all files to be put together for them."""
        by_name = {PurePosixPath(name).name: name for name in self.binaries}
        by_name.update({info.soname: name for name, info in self.binaries.items() if info.soname})

        def reached(start: str) -> set[str]:
            seen, ends = {start}, [start]
            while ends:
                for needed in self.binaries[ends.pop()].needed:
                    if (found := by_name.get(needed)) and found not in seen:
                        seen.add(found)
                        ends.append(found)
            return seen

        extensions = [
            name
            for name in self.binaries
            if self._is_extension(name) and reached(name) & set(moved)
        ]
        files = set(moved)
        for name in [*extensions, *moved]:
            files |= reached(name)
        return sorted(extensions), sorted(files)

    def _is_extension(self, name: str) -> bool:
        """Whether CPython imports the binary ``name``: it takes a plain ``name.so`` too."""
        module = PurePosixPath(name).name.removesuffix(".so").encode()
        plain = name.endswith(".so") and b"\0PyInit_" + module + b"\0" in self.members[name]
        return plain or _EXTENSION.search(name) is not None


def too_large(wheel: OpenedWheel, size: int, max_size: int) -> BuildError:
    """The error for a wheel that keeps ``size`` bytes, more than ``max_size``, after its split."""
    return BuildError(
        f"{wheel.path.name} cannot be split: {size / 1e6:.2f} MB of it are not shared libraries.",
        f"The limit is {max_size / 1e6:.2f} MB.",
        "Raise --max-size, or move data files out of the package.",
    )
