"""A wheel that is opened: its members, its .dist-info folder and its RECORD, each with bounds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bundler.archive.content import checked_whole
from bundler.archive.directory import BadZip, Listed, read_directory
from bundler.archive.entry import Member
from bundler.archive.names import shown
from bundler.archive.record import Row, parse_record
from bundler.errors import BuildError

MAX_METADATA = 8 << 20
MAX_SCRIPT = 16 << 20
_MAX_WHEEL = 64 << 10
_MAX_RECORD = 16 << 20
_MAX_ENTRY_POINTS = 1 << 20
_VERSION = re.compile(r"^Wheel-Version:[ \t]*([0-9]+)\.[0-9]+[ \t\r]*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A wheel whose structure was found sound.

    ``label`` is its file name, ``info`` its .dist-info folder, ``wheel`` the text of WHEEL,
    ``rows`` those of RECORD.
    """

    label: str
    members: list[Listed]
    by_name: Mapping[str, Member]
    info: str
    wheel: str
    rows: list[Row]

    @property
    def distribution(self) -> str:
        """The name of the distribution, as its .dist-info folder spells it."""
        return self.info.removesuffix(".dist-info").partition("-")[0]

    @property
    def owner(self) -> str:
        """Name and version of the distribution, for messages."""
        return self.info.removesuffix(".dist-info").replace("-", " ", 1)

    def read(self, name: str, limit: int) -> bytes:
        """The bytes of the member ``name``. Raises BuildError if it is damaged or larger."""
        return _bytes(self.label, name, self.by_name[name], limit)

    def read_text(self, name: str, limit: int) -> str:
        """The text of a member, as `read`; also BuildError if it is not UTF-8."""
        return _text(self.label, name, self.by_name[name], limit)

    def read_entry_points(self) -> str:
        """The text of entry_points.txt; "" if there is none. Raises as `read_text`."""
        name = f"{self.info}/entry_points.txt"
        return self.read_text(name, _MAX_ENTRY_POINTS) if name in self.by_name else ""

    def fault(self, member: str, problem: str) -> BuildError:
        """The error that says what is wrong with ``member``, or with all of it if that is ""."""
        return wheel_fault(self.label, shown(member), problem)


def open_wheel(path: Path, label: str) -> WheelFile:
    """Read the structure of the wheel ``path``; ``label`` is its name for messages.

    Raises BuildError if it is damaged, unsafe, or of a format version that is not known;
    UsageError if it is not there or not a regular file.
    """
    try:
        members = read_directory(path)
    except BadZip as error:
        raise wheel_fault(label, error.member, error.problem) from error
    except OSError as error:
        raise wheel_fault(label, "", f"it cannot be read ({error.strerror})") from error
    by_name = {member.name: member.content for member in members}
    info = _dist_info(label, by_name)
    for name in ("WHEEL", "RECORD"):
        if f"{info}/{name}" not in by_name:
            raise wheel_fault(label, "", f"it has no {shown(info)}/{name}")
    name = f"{info}/WHEEL"
    wheel = _text(label, name, by_name[name], _MAX_WHEEL)
    version = _VERSION.search(wheel)
    if version is None or version[1] != "1":
        raise wheel_fault(label, shown(name), "its Wheel-Version is not 1.x")
    rows = _rows(label, f"{info}/RECORD", by_name)
    return WheelFile(label, members, by_name, info, wheel, rows)


def wheel_fault(label: str, member: str, problem: str) -> BuildError:
    """The error for a wheel that cannot be used; ``member`` is escaped, or "" for the whole."""
    return BuildError(
        f"{shown(label)} cannot be used: {f'{member}: ' if member else ''}{problem}.",
        "Expected a wheel as the binary distribution format describes it.",
        "Fetch it again, or choose another release or build of this package.",
    )


def _dist_info(label: str, names: Mapping[str, Member]) -> str:
    folders = {
        folder for name in names if (folder := name.partition("/")[0]).endswith(".dist-info")
    }
    if len(folders) != 1:
        found = ", ".join(shown(folder) for folder in sorted(folders)[:3]) or "none"
        raise wheel_fault(label, "", f"it must have one .dist-info folder and has {found}")
    return folders.pop()


def _rows(label: str, name: str, by_name: Mapping[str, Member]) -> list[Row]:
    data = _bytes(label, name, by_name[name], _MAX_RECORD)
    try:
        # Some list what installers compile as well; nobody has a reason to list much more.
        return parse_record(data, 2 * len(by_name) + 1000)
    except ValueError as error:
        raise wheel_fault(label, shown(name), f"it cannot be read: {error}") from error


def _bytes(label: str, name: str, content: Member, limit: int) -> bytes:
    try:
        return checked_whole(content, limit)
    except BadZip as error:
        raise wheel_fault(label, shown(name), error.problem) from error


def _text(label: str, name: str, content: Member, limit: int) -> str:
    try:
        return _bytes(label, name, content, limit).decode()
    except UnicodeDecodeError as error:
        raise wheel_fault(label, shown(name), "it is not UTF-8") from error
