"""Wheels become entries: what an installer does, without unpacking anything.

The rules are those of the binary distribution format and of RECORD and entry points
(packaging.python.org, "Specifications").
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bundler.archive.content import blocks, checked, whole
from bundler.archive.directory import BadZip
from bundler.archive.entry import Entry, Inline, Member
from bundler.archive.links import MAX_LINK, BadLink, Links, link_target
from bundler.archive.names import name_problem, shown
from bundler.archive.record import Row, encoded, render_record, row_of
from bundler.archive.wheel_file import MAX_SCRIPT, WheelFile, open_wheel

INSTALLER = "flink-bundler"
SIGNATURES = ("RECORD.jws", "RECORD.p7s")

_FILE = stat.S_IFREG | 0o644
_EXECUTABLE = stat.S_IFREG | 0o755
_LINK = stat.S_IFLNK | 0o755
# A script of this name would hide the Python that others in its folder start.
_INTERPRETER = re.compile(r"pythonw?[0-9.]*t?", re.IGNORECASE)
_PYTHON_LINE = re.compile(rb"#!pythonw?(?=[\s])[^\n]*\n")
_MAX_IN_MEMORY = 64 << 20

# Read by sh, the first line is "exec PYTHON SCRIPT ARGUMENTS"; read by Python, both are a string.
_LAUNCHER = "#!/bin/sh\n'''exec' {command} \"$0\" \"$@\"\n' '''\n"
_HERE = '"$(dirname -- "$(readlink -f -- "$0")")"'


@dataclass(frozen=True, slots=True)
class Layout:
    """Where in an archive each scheme of a wheel goes, as folders that end in ``/`` or are "".

    ``launcher`` starts every script, so that it runs from whatever folder it is unpacked in.
    """

    site_packages: str
    scripts: str
    headers: str
    data: str
    launcher: bytes


def target_layout() -> Layout:
    """deps.zip: packages at the root, as ``pip install --target`` leaves them.

    Scripts use the ``python3`` on PATH, with the archive's root put first on its path.
    """
    path = f"PYTHONPATH={_HERE}/..${{PYTHONPATH:+:$PYTHONPATH}}"
    return Layout("", "bin/", "include/", "", _launcher(f"env {path} python3"))


def prefix_layout(prefix: str, site_packages: str, python: str, minor: str) -> Layout:
    """venv.zip: everything below ``prefix`` ("venv", or "" for the root).

    ``site_packages`` ("lib/python3.11/site-packages") and the interpreter ``python``
    ("bin/python3.11") are relative to it, ``minor`` is the CPython version ("3.11"). Scripts run
    that interpreter.
    """
    root = f"{prefix.strip('/')}/" if prefix.strip("/") else ""
    interpreter = posixpath.relpath(python, "bin")
    return Layout(
        f"{root}{site_packages.strip('/')}/",
        f"{root}bin/",
        f"{root}include/python{minor}/",
        root,
        _launcher(f"{_HERE}/{interpreter}"),
    )


def _launcher(command: str) -> bytes:
    return _LAUNCHER.format(command=command).encode()


def wheel_entries(wheel: Path, layout: Layout, owner: str = "") -> list[Entry]:
    """The entries that installing ``wheel`` into ``layout`` gives, RECORD and INSTALLER included.

    ``owner`` is for messages; without it, name and version of the distribution. RECORD keeps the
    hashes that the wheel has, which `check_wheel` found to be right.

    Raises BuildError, naming wheel and member, if the wheel is damaged, unsafe or of a format
    that is not known.
    """
    opened = open_wheel(wheel, wheel.name)
    install = _Install(opened, layout, owner or opened.owner)
    install.add_members()
    install.add_scripts()
    install.add_own_files()
    _refuse_doubles(opened, install.entries)
    return install.entries


@dataclass(slots=True)
class _Install:
    """One installation: its entries and rows of RECORD so far, and the bytes held in memory."""

    opened: WheelFile
    layout: Layout
    owner: str
    entries: list[Entry] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    in_memory: int = 0

    def add_members(self) -> None:
        """What the wheel has, each file where its scheme goes."""
        opened = self.opened
        skipped = {f"{opened.info}/{name}" for name in ("RECORD", "INSTALLER", *SIGNATURES)}
        targets = link_targets(opened)
        data_folder = f"{opened.info.removesuffix('.dist-info')}.data/"
        stated = {row.path: row for row in opened.rows if row.hash}
        site = self.layout.site_packages
        for name, mode, content in opened.members:
            if name in skipped or name.endswith("/"):
                continue
            if name.startswith(data_folder):
                self._add_data(name, name[len(data_folder) :], mode, content, stated)
            elif name in targets:
                target = targets[name].encode()
                row = stated.get(name) or row_of("", target)
                self._add(f"{site}{name}", _LINK, Inline(target), row)
            else:
                row = stated.get(name) or _computed(opened, name, content)
                self._add(f"{site}{name}", _kind(mode), content, row)

    def add_scripts(self) -> None:
        """What the entry points generate."""
        for name, script in _entry_points(self.opened, self.layout):
            self._add_bytes(f"{self.layout.scripts}{name}", _EXECUTABLE, script)

    def add_own_files(self) -> None:
        """INSTALLER, and RECORD once all else is there."""
        info = f"{self.layout.site_packages}{self.opened.info}"
        self._add_bytes(f"{info}/INSTALLER", _FILE, f"{INSTALLER}\n".encode())
        self.rows.append(Row(f"{self.opened.info}/RECORD", "", ""))
        record = Inline(render_record(self.rows))
        self.entries.append(Entry(f"{info}/RECORD", _FILE, record, self.owner))

    def _add(self, name: str, mode: int, content: Inline | Member, row: Row) -> None:
        site = self.layout.site_packages
        entry = Entry(name, mode, content, self.owner)
        self.entries.append(entry)
        path = name[len(site) :] if name.startswith(site) else posixpath.relpath(name, site)
        self.rows.append(Row(path, row.hash, str(entry.size)))

    def _add_bytes(self, name: str, mode: int, data: bytes) -> None:
        self.in_memory += len(data)
        if self.in_memory > _MAX_IN_MEMORY:
            raise self.opened.fault("", f"its scripts have more than {_MAX_IN_MEMORY:,} bytes")
        self._add(name, mode, Inline(data), row_of("", data))

    def _add_data(
        self, name: str, inside: str, mode: int, content: Member, stated: Mapping[str, Row]
    ) -> None:
        """A file below the wheel's .data folder, where it is called ``inside``."""
        opened, layout = self.opened, self.layout
        scheme, _, rest = inside.partition("/")
        folders = {
            "purelib": layout.site_packages,
            "platlib": layout.site_packages,
            "data": layout.data,
            "scripts": layout.scripts,
            "headers": f"{layout.headers}{opened.distribution}/",
        }
        if scheme not in folders or not rest:
            raise opened.fault(name, f"'{shown(scheme)}' is not a scheme of the wheel format")
        place = f"{folders[scheme]}{rest}"
        if scheme == "scripts" and (script := _script(opened, name, content, layout)) is not None:
            self._add_bytes(place, _EXECUTABLE, script)
            return
        row = stated.get(name) or _computed(opened, name, content)
        self._add(place, _EXECUTABLE if scheme == "scripts" else _kind(mode), content, row)


def link_targets(opened: WheelFile) -> dict[str, str]:
    """The targets of the symlinks of a wheel, by their names in it.

    Raises BuildError, naming it, for one that leads out of the wheel at any step.
    """
    targets = {
        name: _link_target(opened, name, content)
        for name, mode, content in opened.members
        if stat.S_ISLNK(mode) and not name.endswith("/")
    }
    links = Links(targets)
    for name in targets:
        try:
            links.end_of(name)
        except BadLink as error:
            raise opened.fault(name, f"it is a symlink {error}") from error
    return targets


def _link_target(opened: WheelFile, name: str, content: Member) -> str:
    try:
        return link_target(whole(content, MAX_LINK))
    except BadLink as error:
        raise opened.fault(name, f"it is a symlink {error}") from error
    except BadZip as error:
        raise opened.fault(name, error.problem) from error


def _kind(mode: int) -> int:
    return _EXECUTABLE if mode & 0o111 else _FILE


def _computed(opened: WheelFile, name: str, content: Member) -> Row:
    """The row of a file that RECORD does not list."""
    digest = hashlib.sha256()
    try:
        for block in checked(content):
            digest.update(block)
    except BadZip as error:
        raise opened.fault(name, error.problem) from error
    return Row("", encoded(digest.digest()), str(content.size))


def _script(opened: WheelFile, name: str, content: Member, layout: Layout) -> bytes | None:
    """The script with our launcher; None if its first line does not ask for Python.

    Programs of any size come as scripts too: only what begins as a Python script is read whole.
    """
    try:
        start = next(blocks(content), b"")
    except BadZip as error:
        raise opened.fault(name, error.problem) from error
    if not start.startswith(b"#!python"):
        return None
    data = opened.read(name, MAX_SCRIPT)
    line = _PYTHON_LINE.match(data)
    return layout.launcher + data[line.end() :] if line else None


def _entry_points(opened: WheelFile, layout: Layout) -> Iterator[tuple[str, bytes]]:
    name = f"{opened.info}/entry_points.txt"
    text = opened.read_entry_points()
    if not re.search(r"^\[(console|gui)_scripts\]", text, re.MULTILINE):
        return
    from configparser import Error

    from installer.scripts import Script
    from installer.utils import parse_entrypoints

    # In configparser these are references, which may expand to any size; entry points have none.
    if "%(" in text:
        raise opened.fault(name, "it has '%('")
    try:
        points = list(parse_entrypoints(text))
    except (Error, AssertionError) as error:
        raise opened.fault(name, "its scripts cannot be read") from error
    for script, module, attribute, section in points:
        if "/" in script or name_problem(script) or _INTERPRETER.fullmatch(script):
            raise opened.fault(name, f"'{shown(script)}' is not a name for a script")
        _, generated = Script(script, module, attribute, section).generate("python", "posix")
        yield script, layout.launcher + generated.partition(b"\n")[2]


def _refuse_doubles(opened: WheelFile, entries: list[Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise opened.fault(entry.name, "two of its files go there")
        seen.add(entry.name)
