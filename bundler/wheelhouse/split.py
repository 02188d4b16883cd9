"""Wheels over an index's size limit -> the package, and packages with pieces of its libraries.

The package keeps its Python code; each large shared library is cut and goes, in pieces, into
``<name>-lib``, ``<name>-lib-2`` ... The extensions that load it are put together with it on first
import (`bundler.wheelhouse.joiner`), in the same places relative to each other, so that what
auditwheel wrote into them ($ORIGIN) holds there too.
"""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bundler.errors import BuildError, UsageError
from bundler.wheelhouse import joiner
from bundler.wheelhouse.opened import OpenedWheel, too_large
from bundler.wheelhouse.pieces import Packages, entries_of, write_packages
from bundler.wheels.rewrite import write_wheel

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 1 << 10, "MIB": 1 << 20}


def parse_size(text: str) -> int:
    """Bytes of a size such as ``100MB`` or ``64KiB``. Raises UsageError."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s*([A-Za-z]*)", text.strip())
    if match is None or match[2].upper() not in _UNITS:
        raise UsageError(
            f"'{text}' is not a size.",
            f"Expected a number and one of the units {', '.join(filter(None, _UNITS))}.",
            "Write a size such as 100MB.",
        )
    return int(float(match[1]) * _UNITS[match[2].upper()])


@dataclass(frozen=True, slots=True)
class Split:
    """What became of a wheel: itself if it was small enough, else the package and its libraries."""

    wheel: Path
    libraries: tuple[Path, ...] = ()


def split_wheels(wheels: Sequence[Path], max_size: int, out: Path) -> list[Split]:
    """Bring every one of ``wheels``, builds of one release, under ``max_size`` bytes, in ``out``.

    Wheels whose libraries are the same bytes share the packages that carry them. Raises BuildError
    if one cannot be brought under the limit.
    """
    opened = [OpenedWheel.read(path) for path in wheels]
    moved = {wheel: wheel.to_move(max_size) for wheel in opened if wheel.size > max_size}
    digests = {frozenset(wheel.digest(name) for name in names) for wheel, names in moved.items()}
    platforms = {wheel.platform for wheel in moved}
    shared = len(digests) == 1 and len(platforms) == 1
    made: dict[tuple[str, frozenset[str]], Packages] = {}
    results = []
    for wheel in opened:
        if wheel not in moved:
            results.append(Split(wheel.path))
            continue
        tag = f"py3-none-{wheel.platform}" if shared else wheel.tag
        key = (tag, frozenset(wheel.digest(name) for name in moved[wheel]))
        if key not in made:
            made[key] = write_packages(wheel, moved[wheel], tag, max_size, out)
        path = _write_package(wheel, moved[wheel], made[key], out)
        if path.stat().st_size > max_size:
            raise too_large(wheel, path.stat().st_size, max_size)
        results.append(Split(path, made[key].wheels))
    return results


def _write_package(wheel: OpenedWheel, moved: Sequence[str], packages: Packages, out: Path) -> Path:
    """The wheel without the members ``moved``, which its joiner takes from ``packages``."""
    members = dict(wheel.members)
    extensions, files = wheel.joined(moved)
    own = f"_{wheel.module}_joiner_files"
    places: dict[str, list[tuple[str, str]]] = {}
    for name in files:
        if name in moved:
            digest = wheel.digest(name)
            places[name] = [(p.module, p.name) for p in packages.pieces if p.sha256 == digest]
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
                "Expected one: the package's path leads to the joined extension.",
                "Add an __init__.py to that folder.",
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
        for number in range(1, len(packages.wheels) + 1)
    ]
    metadata = f"{wheel.dist_info}/METADATA"
    head, blank, body = members[metadata].replace(b"\r\n", b"\n").partition(b"\n\n")
    added = "".join(f"\nRequires-Dist: {name}=={wheel.version}" for name in names)
    members[metadata] = head.rstrip(b"\n") + added.encode() + (blank or b"\n") + body
    path = out / wheel.path.name
    write_wheel(entries_of(members), wheel.dist_info, path)
    return path


def _patched(source: bytes, wheel: OpenedWheel, package: str) -> bytes:
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
