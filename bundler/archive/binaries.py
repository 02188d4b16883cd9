"""Do the extension modules of a wheel fit the tags in its file name?

Whoever fetches a wheel goes by its name; an extension of another processor or Python in it is seen
only when it is imported, on the worker.
"""

from __future__ import annotations

import re
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import parse_wheel_filename

from bundler.archive.content import blocks
from bundler.archive.entry import Entry
from bundler.archive.read import zip_entries
from bundler.elf.info import MAGIC
from bundler.errors import VerificationError

_SUFFIX = re.compile(r"\.(?:cpython-(?P<version>\d+)(?P<flags>[a-z]*)-[^/]+|(?P<stable>abi3))\.so$")
_ANY = re.compile(r"any|win|macosx")
# e_machine of the gABI, and how platform tags call it.
_MACHINES = {3: "i686", 21: "ppc64le", 22: "s390x", 40: "armv7l", 62: "x86_64", 183: "aarch64"}
_MACHINES |= {243: "riscv64", 258: "loongarch64"}
_HEADER = 20


def check_binaries(wheel: Path, name: str) -> None:
    """Raise VerificationError for the first extension in ``wheel`` that its ``name`` belies."""
    tags = parse_wheel_filename(name)[3]
    entries = zip_entries(wheel, name)
    errors = [*machine_faults(entries, name, tags)]
    # A wheel for no ABI may bring a module for each of several.
    if {tag.abi for tag in tags} != {"none"}:
        errors += abi_faults(entries, name, tags)
    if errors:
        raise errors[0]


def machine_faults(
    entries: Iterable[Entry], owner: str, tags: frozenset[Tag]
) -> Iterator[VerificationError]:
    """Extension modules for a processor that none of ``tags`` names."""
    platforms = {tag.platform for tag in tags}
    if any(_ANY.match(platform) for platform in platforms):
        return
    for entry in entries:
        machine = _machine(entry) if _SUFFIX.search(entry.name) else None
        if machine and not any(platform.endswith(f"_{machine}") for platform in platforms):
            yield VerificationError(
                f"{owner}: {entry.name} is for {machine}.",
                f"The wheel's name says {', '.join(sorted(platforms))}: the file cannot be loaded "
                "there.",
                "Choose another release, or build the wheel from its source.",
            )


def abi_faults(
    entries: Iterable[Entry], owner: str, tags: frozenset[Tag]
) -> Iterator[VerificationError]:
    """Extension modules that are there, and not for a Python ABI of ``tags``."""
    abis = {tag.abi for tag in tags}
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for entry in entries:
        match = _SUFFIX.search(entry.name)
        if match is not None and not entry.is_symlink:
            abi = "abi3" if match["stable"] else f"cp{match['version']}{match['flags']}"
            found[entry.name[: match.start()]].append((abi, entry.name))
    seen_by_stable = any(abi.startswith("cp") for abi in abis)
    for variants in found.values():
        if any(abi in abis or (abi == "abi3" and seen_by_stable) for abi, _ in variants):
            continue
        abi, name = variants[0]
        yield VerificationError(
            f"{owner}: {name} is for the Python ABI {abi}.",
            f"The wheel's tags say {', '.join(sorted(abis))}: that Python does not see the file.",
            "Choose a wheel of the Python that it is for, or build it with that Python.",
        )


def _machine(entry: Entry) -> str | None:
    """The processor in an ELF file's header; None if it is not one, or of an unknown one."""
    head = next(blocks(entry.content), b"")
    if entry.is_symlink or not head.startswith(MAGIC) or len(head) < _HEADER:
        return None
    big_endian = head[5] == 2
    (machine,) = struct.unpack(">H" if big_endian else "<H", head[18:20])
    return _MACHINES.get(machine)
