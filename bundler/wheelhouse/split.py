"""Wheels over an index's size limit -> the package, and packages with pieces of its libraries.

The package keeps its Python code; each large shared library is cut and goes, in pieces, into
``<name>-lib``, ``<name>-lib-2`` ... The extensions that load it are put together with it on first
import (`bundler.wheelhouse.joiner`), in the same places relative to each other, so that what
auditwheel wrote into them ($ORIGIN) holds there too.
"""

from __future__ import annotations

import ast
import base64
import csv
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.utils import canonicalize_name, parse_wheel_filename

from bundler.elf.info import MAGIC, ElfInfo, read_elf
from bundler.errors import BuildError, UsageError
from bundler.support.files import whole_file
from bundler.wheelhouse import joiner

_EXTENSION = re.compile(r"\.(cpython-[^/]+|abi3)\.so$")
_DATE = (1980, 1, 1, 0, 0, 0)
# What a wheel's own metadata takes beside its pieces, and what deflate may differ by.
_MARGIN = 16 << 10
_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20}


def parse_size(text: str) -> int:
    """Bytes of a size such as ``100MB`` or ``64KiB``. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", text.strip())
    if match is None or match[2].upper() not in _UNITS:
        raise UsageError(
            f"'{text}' is not a size.",
            "Expected a number and a unit, such as 100MB.",
            "Correct it.",
        )
    return int(float(match[1]) * _UNITS[match[2].upper()])


@dataclass(frozen=True, slots=True)
class Split:
    """What became of a wheel: itself if it was small enough, else the package and its libraries."""

    wheel: Path
    libraries: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes ``start`` to ``end`` of a file; ``module`` is the package they lie in."""

    sha256: str
    module: str
    name: str
    start: int
    end: int


def split_wheels(wheels: Sequence[Path], max_size: int, out: Path) -> list[Split]:
    """Bring every one of ``wheels``, builds of one release, under ``max_size`` bytes, in ``out``.

    Wheels whose libraries are the same bytes share the packages that carry them. Raises BuildError
    if one cannot be brought under the limit.
    """
    opened = [_Opened.read(path) for path in wheels]
    moved = {wheel: wheel.to_move(max_size) for wheel in opened if wheel.size > max_size}
    digests = {frozenset(wheel.digest(name) for name in names) for wheel, names in moved.items()}
    platforms = {wheel.platform for wheel in moved}
    shared = len(digests) == 1 and len(platforms) == 1
    made: dict[tuple[str, frozenset[str]], tuple[list[_Piece], tuple[Path, ...]]] = {}
    results = []
    for wheel in opened:
        if wheel not in moved:
            results.append(Split(wheel.path))
            continue
        tag = f"py3-none-{wheel.platform}" if shared else wheel.tag
        key = (tag, frozenset(wheel.digest(name) for name in moved[wheel]))
        if key not in made:
            made[key] = _write_libraries(wheel, moved[wheel], tag, max_size, out)
        pieces, libraries = made[key]
        path = _write_package(wheel, moved[wheel], pieces, len(libraries), out)
        if path.stat().st_size > max_size:
            raise _too_large(wheel, path.stat().st_size, max_size)
        results.append(Split(path, libraries))
    return results


@dataclass(frozen=True, eq=False)
class _Opened:
    """A wheel's members; ``binaries`` are its dynamic ELF files."""

    path: Path
    name: str
    version: str
    tag: str
    size: int
    members: Mapping[str, bytes]
    compressed: Mapping[str, int]
    binaries: Mapping[str, ElfInfo]

    @classmethod
    def read(cls, path: Path) -> _Opened:
        name, version, _, _ = parse_wheel_filename(path.name)
        with zipfile.ZipFile(path) as archive:
            rows = [row for row in archive.infolist() if not row.is_dir()]
            members = {row.filename: archive.read(row) for row in rows}
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
            {row.filename: row.compress_size for row in rows},
            binaries,
        )

    @property
    def platform(self) -> str:
        return self.tag.rpartition("-")[2]

    @property
    def module(self) -> str:
        """The name as a part of module names."""
        return self.name.replace("-", "_")

    @property
    def dist_info(self) -> str:
        return next(
            name.partition("/")[0] for name in self.members if name.endswith(".dist-info/WHEEL")
        )

    def digest(self, member: str) -> str:
        return hashlib.sha256(self.members[member]).hexdigest()

    def to_move(self, max_size: int) -> list[str]:
        """The largest binaries, as many as must go for the rest to fit."""
        left = self.size + _MARGIN
        names = []
        for name in sorted(self.binaries, key=lambda name: -self.compressed[name]):
            if left <= max_size:
                break
            names.append(name)
            left -= self.compressed[name]
        if left > max_size:
            raise _too_large(self, left, max_size)
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
            name for name in self.binaries if _EXTENSION.search(name) and reached(name) & set(moved)
        ]
        files = set(moved)
        for name in [*extensions, *moved]:
            files |= reached(name)
        return sorted(extensions), sorted(files)


def _write_libraries(
    wheel: _Opened, moved: Sequence[str], tag: str, max_size: int, out: Path
) -> tuple[list[_Piece], tuple[Path, ...]]:
    pieces: list[_Piece] = []
    bins: list[list[_Piece]] = [[]]
    room = max_size - _MARGIN
    contents = {wheel.digest(name): wheel.members[name] for name in moved}
    for sha256, data in contents.items():
        for start, end, size in _chunks(data, max_size):
            if size > room:
                bins.append([])
                room = max_size - _MARGIN
            room -= size
            current, last = bins[-1], bins[-1][-1] if bins[-1] else None
            if last is not None and last.sha256 == sha256 and last.end == start:
                current[-1] = _Piece(sha256, last.module, last.name, last.start, end)
            else:
                module = f"{wheel.module}_lib" + (f"_{len(bins)}" if len(bins) > 1 else "")
                current.append(_Piece(sha256, module, f"{sha256[:16]}.{start:012}", start, end))
    paths = []
    for number, content in enumerate(bins, 1):
        module = f"{wheel.module}_lib" + (f"_{number}" if number > 1 else "")
        members = {
            f"{module}/__init__.py": f'"""Pieces of libraries of {wheel.name}."""\n'.encode()
        }
        for piece in content:
            data = contents[piece.sha256][piece.start : piece.end]
            members[f"{module}/{piece.name}"] = joiner.HEADER + data
            pieces.append(piece)
        paths.append(_write_library(wheel, module, members, tag, max_size, out))
    return pieces, tuple(paths)


def _chunks(data: bytes, max_size: int) -> Iterator[tuple[int, int, int]]:
    """Parts of ``data``, small against a wheel, as (start, end, size when deflated)."""
    step = max(16 << 10, min(8 << 20, max_size // 16))
    for start in range(0, len(data), step):
        part = data[start : start + step]
        yield start, start + len(part), len(zlib.compress(part, 6)) + 16


def _write_library(
    wheel: _Opened, module: str, members: dict[str, bytes], tag: str, max_size: int, out: Path
) -> Path:
    name = module.replace("_", "-")
    info = f"{module}-{wheel.version}.dist-info"
    metadata = _metadata(wheel.members[f"{wheel.dist_info}/METADATA"])
    requires = metadata.get("Requires-Python")
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
    _write_wheel(members, info, path)
    if path.stat().st_size > max_size:
        raise _too_large(wheel, path.stat().st_size, max_size)
    return path


def _write_package(
    wheel: _Opened, moved: Sequence[str], pieces: Sequence[_Piece], libraries: int, out: Path
) -> Path:
    members = dict(wheel.members)
    extensions, files = wheel.joined(moved)
    own = f"_{wheel.module}_joiner_files"
    places: dict[str, list[tuple[str, str]]] = {}
    for name in files:
        if name in moved:
            digest = wheel.digest(name)
            places[name] = [(p.module, p.name) for p in pieces if p.sha256 == digest]
            del members[name]
        else:
            kept = f"{own}/{wheel.digest(name)[:16]}"
            places[name] = [("", kept)]
            members[kept] = joiner.HEADER + wheel.members[name]
            if name in extensions:
                # The import system would find it before the joined one.
                del members[name]
    for package in sorted({str(PurePosixPath(name).parent) for name in extensions}):
        start = f"{package}/__init__.py"
        if start not in members:
            raise BuildError(
                f"{wheel.path.name} cannot be split: {package} has no __init__.py.",
                "Its extensions are found through the path of their package.",
                "Move the extension into a package.",
            )
        members[start] = _patched(members[start], wheel, package)
    plan = tuple(
        (name, len(wheel.members[name]), wheel.digest(name), tuple(places[name])) for name in files
    )
    key = hashlib.sha256(repr([row[:3] for row in plan]).encode()).hexdigest()[:32]
    call = f"\n\n_plan({wheel.name!r}, {wheel.version!r}, {key!r}, {plan!r})\n"
    members[f"_{wheel.module}_joiner.py"] = Path(joiner.__file__).read_bytes() + call.encode()
    names = [
        f"{wheel.name}-lib" + (f"-{number}" if number > 1 else "")
        for number in range(1, libraries + 1)
    ]
    metadata = f"{wheel.dist_info}/METADATA"
    head, blank, body = members[metadata].replace(b"\r\n", b"\n").partition(b"\n\n")
    added = "".join(f"\nRequires-Dist: {name}=={wheel.version}" for name in names)
    members[metadata] = head.rstrip(b"\n") + added.encode() + (blank or b"\n") + body
    path = out / wheel.path.name
    _write_wheel(members, wheel.dist_info, path)
    return path


def _patched(source: bytes, wheel: _Opened, package: str) -> bytes:
    """The module with its joined folder on its path, before anything but the future is imported."""
    text = source.decode("utf-8-sig")
    line = 0
    for node in ast.parse(text).body:
        docstring = (
            line == 0
            and isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        )
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not (docstring or future):
            break
        line = node.end_lineno or line
    lines = text.splitlines(keepends=True)
    if line and not lines[line - 1].endswith("\n"):
        lines[line - 1] += "\n"
    joined = (
        f"import _{wheel.module}_joiner\n"
        f"__path__.append(_{wheel.module}_joiner.folder({package!r}))\n"
    )
    return "".join([*lines[:line], joined, *lines[line:]]).encode()


def _metadata(data: bytes) -> dict[str, str]:
    head = data.decode("utf-8", errors="replace").replace("\r\n", "\n").partition("\n\n")[0]
    pairs = (row.partition(":") for row in head.splitlines() if not row.startswith(" "))
    return {name: value.strip() for name, _, value in pairs}


def _write_wheel(members: dict[str, bytes], info: str, path: Path) -> None:
    record = f"{info}/RECORD"
    members.pop(record, None)
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for name in sorted(members):
        digest = hashlib.sha256(members[name]).digest()
        encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        rows.writerow([name, f"sha256={encoded}", len(members[name])])
    rows.writerow([record, "", ""])
    with whole_file(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in [*sorted(members, key=lambda name: (".dist-info/" in name, name)), record]:
            data = text.getvalue().encode() if name == record else members[name]
            row = zipfile.ZipInfo(name, _DATE)
            row.compress_type = zipfile.ZIP_DEFLATED
            row.external_attr = (0o100755 if data.startswith(MAGIC) else 0o100644) << 16
            archive.writestr(row, data, compresslevel=6)


def _too_large(wheel: _Opened, size: int, max_size: int) -> BuildError:
    return BuildError(
        f"{wheel.path.name} cannot be split: {size / 1e6:.2f} MB are not in shared libraries.",
        f"The limit is {max_size / 1e6:.2f} MB.",
        "Raise --max-size, or move data files out of the package.",
    )
