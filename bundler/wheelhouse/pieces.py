"""Shared libraries -> pieces in packages of their own, each under the index's limit."""

from __future__ import annotations

import stat
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bundler.archive.entry import Entry, Inline
from bundler.elf.info import MAGIC
from bundler.wheelhouse import joiner
from bundler.wheelhouse.opened import MARGIN, OpenedWheel, too_large
from bundler.wheels.rewrite import write_wheel


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes ``start`` to ``end`` of a file, kept as ``name`` in the package ``module``."""

    sha256: str
    module: str
    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Packages:
    """Wheels that carry pieces; ``pieces`` are in the order of the bytes they are cut from."""

    pieces: tuple[Piece, ...]
    wheels: tuple[Path, ...]


def write_packages(
    wheel: OpenedWheel, moved: Sequence[str], tag: str, max_size: int, out: Path
) -> Packages:
    """Cut the members ``moved`` of ``wheel`` and write the packages that carry them into ``out``.

    Each is tagged ``tag`` and has at most ``max_size`` bytes. Raises BuildError if that cannot be.
    """
    contents = {wheel.digest(name): wheel.members[name] for name in moved}
    packages = _packed(wheel, contents, max_size)
    wheels = []
    for number, pieces in enumerate(packages, 1):
        module = _module(wheel, number)
        members = {
            f"{module}/__init__.py": f'"""Pieces of libraries of {wheel.name}."""\n'.encode()
        }
        for piece in pieces:
            data = contents[piece.sha256][piece.start : piece.end]
            members[f"{module}/{piece.name}"] = joiner.HEADER + data
        wheels.append(_write_package(wheel, module, members, tag, out))
        if (size := wheels[-1].stat().st_size) > max_size:
            raise too_large(wheel, size, max_size)
    return Packages(tuple(piece for pieces in packages for piece in pieces), tuple(wheels))


def entries_of(members: Mapping[str, bytes]) -> list[Entry]:
    """Files of a wheel; shared libraries are executable, as their linkers make them."""
    return [
        Entry(name, stat.S_IFREG | (0o755 if data.startswith(MAGIC) else 0o644), Inline(data))
        for name, data in members.items()
    ]


def _packed(wheel: OpenedWheel, contents: Mapping[str, bytes], max_size: int) -> list[list[Piece]]:
    """Pieces of ``contents`` (by SHA-256) for each package, all packages but the last one full."""
    packages: list[list[Piece]] = [[]]
    room = max_size - MARGIN
    for sha256, data in contents.items():
        for start, end, size in _chunks(data, max_size):
            if size > room:
                packages.append([])
                room = max_size - MARGIN
            room -= size
            current = packages[-1]
            last = current[-1] if current else None
            if last is not None and last.sha256 == sha256 and last.end == start:
                current[-1] = Piece(sha256, last.module, last.name, last.start, end)
            else:
                module = _module(wheel, len(packages))
                current.append(Piece(sha256, module, f"{sha256[:16]}.{start:012}", start, end))
    return packages


def _module(wheel: OpenedWheel, number: int) -> str:
    return f"{wheel.module}_lib" + (f"_{number}" if number > 1 else "")


def _chunks(data: bytes, max_size: int) -> Iterator[tuple[int, int, int]]:
    """Parts of ``data``, small against a wheel, as (start, end, size when deflated)."""
    step = max(16 << 10, min(8 << 20, max_size // 16))
    for start in range(0, len(data), step):
        part = data[start : start + step]
        yield start, start + len(part), len(zlib.compress(part, 6)) + 16


def _write_package(
    wheel: OpenedWheel, module: str, members: dict[str, bytes], tag: str, out: Path
) -> Path:
    name = module.replace("_", "-")
    info = f"{module}-{wheel.version}.dist-info"
    requires = _header(wheel.members[f"{wheel.dist_info}/METADATA"], "Requires-Python")
    members[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {wheel.version}\n"
        f"Summary: Pieces of the shared libraries of {wheel.name}\n"
        + (f"Requires-Python: {requires}\n" if requires else "")
        + "Description-Content-Type: text/plain\n\n"
        f"This package carries pieces of the shared libraries of {wheel.name}, which puts them "
        "together.\n"
    ).encode()
    python, abi, platform = tag.split("-")
    tags = "".join(f"Tag: {python}-{abi}-{each}\n" for each in platform.split("."))
    members[f"{info}/WHEEL"] = (
        f"Wheel-Version: 1.0\nGenerator: flink-bundler\nRoot-Is-Purelib: false\n{tags}".encode()
    )
    path = out / f"{module}-{wheel.version}-{tag}.whl"
    write_wheel(entries_of(members), info, path)
    return path


def _header(metadata: bytes, name: str) -> str:
    """The first header ``name`` of a METADATA file; "" if there is none."""
    from email.parser import BytesHeaderParser

    return str(BytesHeaderParser().parsebytes(metadata).get(name, "")).strip()
