"""Wheels become entries: what an installer does, without unpacking anything.

The rules are those of the binary distribution format and of RECORD and entry points
(packaging.python.org, "Specifications").
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import stat
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bundler.archive.content import checked, whole
from bundler.archive.directory import BadZip, Listed, read_directory
from bundler.archive.entry import Entry, Inline, Member
from bundler.archive.links import leaves
from bundler.archive.record import Row, encoded, parse_record, render_record, row_of
from bundler.errors import BuildError

INSTALLER = "flink-bundler"

_FILE = stat.S_IFREG | 0o644
_EXECUTABLE = stat.S_IFREG | 0o755
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
_WEAK_HASHES = ("md5", "sha1")
_PYTHON_LINE = re.compile(rb"#!pythonw?(?=[\s])[^\n]*\n")

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
    opened = _Opened.read(wheel, wheel.name)
    owner = owner or opened.owner
    site = layout.site_packages
    entries: list[Entry] = []
    rows: list[Row] = []

    def add(name: str, mode: int, content: Inline | Member, row: Row) -> None:
        entries.append(Entry(name, mode, content, owner))
        path = name[len(site) :] if name.startswith(site) else posixpath.relpath(name, site)
        rows.append(Row(path, row.hash, row.size))

    skipped = {f"{opened.info}/{name}" for name in ("RECORD", "INSTALLER", *_SIGNATURES)}
    data_folder = f"{opened.info.removesuffix('.dist-info')}.data/"
    for name, mode, content in opened.members:
        if name in skipped or name.endswith("/"):
            continue
        row = opened.rows.get(name) or _computed(opened, name, content)
        kind = _EXECUTABLE if mode & 0o111 else _FILE
        if not name.startswith(data_folder):
            if stat.S_ISLNK(mode):
                link, target = _link_mode(opened, name, content), Inline(whole(content))
                add(f"{site}{name}", link, target, row)
            else:
                add(f"{site}{name}", kind, content, row)
            continue
        scheme, _, rest = name[len(data_folder) :].partition("/")
        if scheme == "scripts" and rest:
            script = _script(opened, name, content, layout)
            if script is None:
                add(f"{layout.scripts}{rest}", _EXECUTABLE, content, row)
            else:
                add(f"{layout.scripts}{rest}", _EXECUTABLE, Inline(script), row_of("", script))
            continue
        folders = {
            "purelib": site,
            "platlib": site,
            "data": layout.data,
            "headers": f"{layout.headers}{opened.distribution}/",
        }
        if scheme not in folders or not rest:
            raise opened.fault(name, f"'{scheme}' is not a scheme of the wheel format")
        add(f"{folders[scheme]}{rest}", kind, content, row)
    for name, script in _entry_points(opened, layout):
        add(f"{layout.scripts}{name}", _EXECUTABLE, Inline(script), row_of("", script))
    installer = f"{INSTALLER}\n".encode()
    add(f"{site}{opened.info}/INSTALLER", _FILE, Inline(installer), row_of("", installer))
    record = f"{site}{opened.info}/RECORD"
    rows.append(Row(record[len(site) :], "", ""))
    entries.append(Entry(record, _FILE, Inline(render_record(rows)), owner))
    _refuse_doubles(opened, entries)
    return entries


def check_wheel(path: Path, name: str = "") -> None:
    """Read the whole wheel ``path``: structure, every member's CRC and every hash of RECORD.

    ``name`` is its file name if ``path`` is a temporary one. Files that RECORD does not list are
    let pass, as installers do.

    Raises BuildError naming wheel and member.
    """
    opened = _Opened.read(path, name or path.name)
    for member, mode, content in opened.members:
        row = opened.rows.get(member)
        algorithm, _, wanted = row.hash.partition("=") if row else ("", "", "")
        try:
            digest = hashlib.new(algorithm or "sha256")
        except ValueError as error:
            raise opened.fault(member, f"RECORD has its hash as {algorithm}") from error
        if algorithm in _WEAK_HASHES or not digest.digest_size:
            raise opened.fault(member, f"RECORD has its hash as {algorithm}, which is not allowed")
        try:
            for block in checked(content):
                digest.update(block)
        except BadZip as error:
            raise opened.fault(member, error.problem) from error
        if wanted and urlsafe_b64encode(digest.digest()).rstrip(b"=").decode() != wanted:
            raise opened.fault(member, "its bytes do not have the hash that RECORD states")
        if stat.S_ISLNK(mode):
            _link_mode(opened, member, content)


@dataclass(frozen=True, slots=True)
class _Opened:
    """A wheel whose structure was found sound; ``rows`` is RECORD by path."""

    label: str
    members: list[Listed]
    info: str
    rows: Mapping[str, Row]

    @classmethod
    def read(cls, path: Path, label: str) -> _Opened:
        try:
            members = read_directory(path)
        except BadZip as error:
            raise _fault(label, error.member, error.problem) from error
        except OSError as error:
            raise _fault(label, "", f"it cannot be read ({error.strerror})") from error
        by_name = {member.name: member.content for member in members}
        opened = cls(label, members, _dist_info(label, by_name), {})
        metadata = opened._text(by_name, "WHEEL")
        version = re.search(r"^Wheel-Version:\s*(\d+)\.", metadata, re.MULTILINE)
        if version is None or version[1] != "1":
            raise opened.fault(f"{opened.info}/WHEEL", "its Wheel-Version is not 1.x")
        record = opened._text(by_name, "RECORD")
        try:
            rows = {row.path: row for row in parse_record(record.encode())}
        except ValueError as error:
            raise opened.fault(f"{opened.info}/RECORD", f"it cannot be read: {error}") from error
        return cls(label, members, opened.info, rows)

    @property
    def distribution(self) -> str:
        return self.info.removesuffix(".dist-info").partition("-")[0]

    @property
    def owner(self) -> str:
        return self.info.removesuffix(".dist-info").replace("-", " ", 1)

    def _text(self, by_name: Mapping[str, Member], name: str) -> str:
        content = by_name.get(f"{self.info}/{name}")
        if content is None:
            raise self.fault("", f"it has no {self.info}/{name}")
        return self.read_text(f"{self.info}/{name}", content)

    def read_text(self, name: str, content: Member) -> str:
        return self.read_bytes(name, content).decode(errors="replace")

    def read_bytes(self, name: str, content: Member) -> bytes:
        try:
            return b"".join(checked(content))
        except BadZip as error:
            raise self.fault(name, error.problem) from error

    def fault(self, member: str, problem: str) -> BuildError:
        return _fault(self.label, member, problem)


def _fault(label: str, member: str, problem: str) -> BuildError:
    return BuildError(
        f"{label} cannot be used: {f'{member}: ' if member else ''}{problem}.",
        "Expected a wheel as the binary distribution format describes it.",
        "Fetch it again, or take another release or build of this package.",
    )


def _dist_info(label: str, names: Mapping[str, Member]) -> str:
    folders = {
        name.partition("/")[0] for name in names if name.partition("/")[0].endswith(".dist-info")
    }
    if len(folders) != 1:
        found = ", ".join(sorted(folders)) or "none"
        raise _fault(label, "", f"it must have one .dist-info folder and has {found}")
    return folders.pop()


def _computed(opened: _Opened, name: str, content: Member) -> Row:
    digest = hashlib.sha256()
    try:
        for block in checked(content):
            digest.update(block)
    except BadZip as error:
        raise opened.fault(name, error.problem) from error
    return Row("", encoded(digest.digest()), str(content.size))


def _link_mode(opened: _Opened, name: str, content: Member) -> int:
    target = opened.read_text(name, content)
    if leaves(name, target):
        raise opened.fault(name, f"it is a symlink that leads out of the wheel ({target})")
    return stat.S_IFLNK | 0o755


def _script(opened: _Opened, name: str, content: Member, layout: Layout) -> bytes | None:
    """The script with our launcher; None if its first line does not ask for Python."""
    data = opened.read_bytes(name, content)
    line = _PYTHON_LINE.match(data)
    return layout.launcher + data[line.end() :] if line else None


def _entry_points(opened: _Opened, layout: Layout) -> Iterator[tuple[str, bytes]]:
    name = f"{opened.info}/entry_points.txt"
    content = next((member.content for member in opened.members if member.name == name), None)
    if content is None:
        return
    text = opened.read_text(name, content)
    if not re.search(r"^\[(console|gui)_scripts\]", text, re.MULTILINE):
        return
    from configparser import Error

    from installer.scripts import Script
    from installer.utils import parse_entrypoints

    try:
        points = list(parse_entrypoints(text))
    except (Error, AssertionError) as error:
        raise opened.fault(name, "its scripts cannot be read") from error
    for script, module, attribute, section in points:
        if "/" in script or script in ("", ".", ".."):
            raise opened.fault(name, f"'{script}' is not a name for a script")
        _, generated = Script(script, module, attribute, section).generate("python", "posix")
        yield script, layout.launcher + generated.partition(b"\n")[2]


def _refuse_doubles(opened: _Opened, entries: list[Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.name in seen:
            raise opened.fault(entry.name, "two of its files go there")
        seen.add(entry.name)
