"""Built wheels read back: would their binaries load where their platform tag says they do?

What a tag promises is PEP 600's and auditwheel's policies: newest symbol versions of glibc and of
the compiler's run-time, and the libraries that every such machine has.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection
from elftools.elf.sections import SymbolTableSection
from packaging.utils import parse_wheel_filename

from bundler.archive.binaries import abi_faults
from bundler.archive.content import whole
from bundler.archive.glibc import elf_entries
from bundler.archive.read import zip_entries
from bundler.elf.info import ElfInfo
from bundler.errors import VerificationError, missing_extra
from bundler.wheels.stable_abi import stable_abi_faults
from bundler.wheels.strip_runpath import is_relocatable

if TYPE_CHECKING:
    from auditwheel.policy import Policy

    from bundler.archive.entry import Entry
    from bundler.target import Target

_STABLE = re.compile(r"cp(\d)(\d+)$")
_LOADERS = re.compile(r"ld-linux|linux-vdso")


def check_wheel(wheel: Path, target: Target, *, repaired: bool = True) -> None:
    """Raise VerificationError for the first thing that keeps ``wheel`` from working on ``target``.

    Looked at are its tags, and each binary's architecture, symbol versions, libraries and Python
    ABI; of the stable ABI, what the target's own Python has. ``repaired`` is False for a wheel that
    auditwheel has not seen yet: its platform tag and the libraries it lacks are then no faults.
    """
    tags = parse_wheel_filename(wheel.name)[3]
    if repaired and not tags & set(target.tags):
        raise VerificationError(
            f"{wheel.name} is not for {target.describe()}.",
            f"Its tags: {', '.join(sorted(map(str, tags)))}.",
            "Build it for this target, or change the target.",
        )
    major, minor = target.python_minor.split(".")
    faults = wheel_faults(wheel, target, libraries=repaired, python=(int(major), int(minor)))
    if (first := next(faults, None)) is not None:
        raise first


def wheel_faults(
    wheel: Path, target: Target, *, libraries: bool = True, python: tuple[int, int] | None = None
) -> Iterator[VerificationError]:
    """What is wrong with the binaries of ``wheel`` on the platform of ``target``, one by one.

    Their Python ABI is compared with the wheel's own tags. The stable ABI is that of ``python``,
    or of the oldest that the tags name.
    """
    entries = zip_entries(wheel, wheel.name)
    tags = parse_wheel_filename(wheel.name)[3]
    yield from abi_faults(entries, wheel.name, tags)
    binaries = list(elf_entries(entries))
    if {tag.abi for tag in tags} == {"abi3"}:
        named = [match for tag in tags if (match := _STABLE.match(tag.interpreter))]
        oldest = min(((int(match[1]), int(match[2])) for match in named), default=(3, 2))
        names = {name for name, _ in binaries}
        yield from stable_abi_faults(
            [entry for entry in entries if entry.name in names],
            wheel.name,
            max(oldest, python) if python else oldest,
        )
    yield from _binary_faults(entries, binaries, target, wheel.name, libraries=libraries)


def _binary_faults(
    entries: Sequence[Entry],
    binaries: Sequence[tuple[str, ElfInfo]],
    target: Target,
    owner: str,
    *,
    libraries: bool,
) -> Iterator[VerificationError]:
    """What keeps ``binaries``, the ELF files among ``entries``, from loading on the platform.

    ``owner`` is what they are part of, for messages; ``libraries`` says whether one that is neither
    among them nor promised by the platform is a fault.
    """
    policy = _policy(target)
    contents = {entry.name: entry for entry in entries}
    inside = {PurePosixPath(entry.name).name for entry in entries}
    inside |= {info.soname for _, info in binaries}
    for name, info in binaries:
        place = f"{owner}: {name}"
        if info.machine != target.architecture:
            yield VerificationError(
                f"{place} is for {info.machine}.",
                f"{target.platform} is {target.architecture}.",
                "Build it in an image of that architecture.",
            )
            continue
        for version in _too_new(info, target, policy):
            yield VerificationError(
                f"{place} needs {version}, for the symbol "
                f"{_symbol(contents[name], version) or '(its loader)'}.",
                f"{target.platform} promises {_newest(version, target, policy)}: an older machine "
                "refuses to load the file.",
                f"Build it in the image of {target.platform}, or choose a newer --platform.",
            )
        for folder in info.runpath if libraries else ():
            if not is_relocatable(folder):
                yield VerificationError(
                    f"{place} looks for libraries in {folder}.",
                    "Expected only folders relative to the file ($ORIGIN): that one is of the "
                    "machine it was built on.",
                    "Remove it with patchelf, or link without -rpath.",
                )
        for library in info.needed if libraries else ():
            if library.startswith("libpython"):
                yield VerificationError(
                    f"{place} is linked against {library}.",
                    "Most Pythons have libpython built in, so workers do not have that file.",
                    "Do not link libpython into extensions.",
                )
            elif not (library in inside or library in policy.whitelist or _LOADERS.match(library)):
                yield VerificationError(
                    f"{place} needs {library}, which is not in the wheel.",
                    f"{target.platform} does not promise that library.",
                    "Repair the wheel with auditwheel, which adds the library.",
                )


def _too_new(info: ElfInfo, target: Target, policy: Policy) -> list[str]:
    found = []
    for version in info.versions:
        library, _, number = version.partition("_")
        if library == "GLIBC":
            newer = re.fullmatch(r"(\d+)\.(\d+)(\.\d+)*", number)
            if newer and (int(newer[1]), int(newer[2])) > target.glibc:
                found.append(version)
        elif number not in policy.symbol_versions.get(library, {number}):
            found.append(version)
    if info.glibc > target.glibc and not any(version.startswith("GLIBC_2") for version in found):
        found.append(f"GLIBC_{info.glibc[0]}.{info.glibc[1]}")
    return found


def _newest(version: str, target: Target, policy: Policy) -> str:
    library = version.partition("_")[0]
    if library == "GLIBC":
        return f"GLIBC_{target.glibc[0]}.{target.glibc[1]}"
    numbers = [number for number in policy.symbol_versions[library] if number[0].isdigit()]
    newest = max(numbers, key=lambda number: [int(part) for part in number.split(".")])
    return f"{library}_{newest}"


def _symbol(entry: Entry, version: str) -> str | None:
    """The first symbol that the file imports at ``version``."""
    elf = ELFFile(io.BytesIO(whole(entry.content)))
    needs = elf.get_section_by_name(".gnu.version_r")
    numbers, symbols = (elf.get_section_by_name(name) for name in (".gnu.version", ".dynsym"))
    if (
        not isinstance(needs, GNUVerNeedSection)
        or numbers is None
        or not isinstance(symbols, SymbolTableSection)
    ):
        return None
    wanted = {
        auxiliary["vna_other"]
        for _, auxiliaries in needs.iter_versions()
        for auxiliary in auxiliaries
        if auxiliary.name == version
    }
    raw = numbers.data()
    for index, number in enumerate(struct.unpack(f"<{len(raw) // 2}H", raw)):
        if number in wanted:
            return str(symbols.get_symbol(index).name)
    return None


def _policy(target: Target) -> Policy:
    """auditwheel's policy of the newest platform that is no newer than the target's."""
    try:
        from auditwheel.architecture import Architecture
        from auditwheel.libc import Libc
        from auditwheel.policy import WheelPolicies
    except ImportError as error:
        raise missing_extra("container", "The check of binaries", error) from error
    policies = WheelPolicies(libc=Libc.GLIBC, arch=Architecture(target.architecture))
    fitting = {}
    for policy in policies:
        match = re.match(r"manylinux_(\d+)_(\d+)_", policy.name)
        if match and (glibc := (int(match[1]), int(match[2]))) <= target.glibc:
            fitting[glibc] = policy
    return fitting[max(fitting)]
