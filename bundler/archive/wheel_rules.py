"""Rules for a wheel that arrives: is it what its file name says, and is its RECORD true?

A lie that leads pip or uv astray is an error: they choose a wheel by its file name, install it
under the name and version in its METADATA, and remove what its RECORD lists. Other lies are
warnings. Rules for its extension modules are in `bundler.archive.binaries`.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.archive.content import checked
from bundler.archive.directory import BadZip
from bundler.archive.findings import Finding, error, warning
from bundler.archive.names import has_controls, shown
from bundler.archive.record import Row
from bundler.archive.wheel import SIGNATURES, link_targets
from bundler.archive.wheel_file import MAX_METADATA, WheelFile, open_wheel, wheel_fault

if TYPE_CHECKING:
    from packaging.tags import Tag

_WEAK_HASHES = ("md5", "sha1")


def check_wheel(path: Path, name: str = "") -> list[Finding]:
    """Read the whole wheel ``path``, and return the warnings of `wheel_findings`.

    ``name`` is its file name if ``path`` is a temporary one.
    Raises BuildError, naming wheel and member, for the first error.
    """
    label = name or path.name
    warnings = []
    for finding in wheel_findings(path, label):
        if finding.severity == "error":
            raise wheel_fault(label, finding.member, finding.problem)
        warnings.append(finding)
    return warnings


def wheel_findings(path: Path, name: str = "") -> Iterator[Finding]:
    """What is wrong with the wheel ``path``: its identity, its RECORD, its bytes.

    ``name`` is its file name if ``path`` is a temporary one.
    Raises BuildError if its structure is damaged, so that no rule can be applied.
    """
    opened = open_wheel(path, name or path.name)
    yield from _identity(opened)
    yield from _record(opened)
    link_targets(opened)
    yield from _contents(opened)


def _identity(opened: WheelFile) -> Iterator[Finding]:
    """Whether file name, .dist-info folder, METADATA and WHEEL name the same distribution."""
    from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

    try:
        name, version, _, tags = parse_wheel_filename(opened.label)
    except (InvalidWheelFilename, InvalidVersion) as problem:
        yield error(
            "wheel-name", "", f"its file name is not one of a wheel ({shown(str(problem))})"
        )
        return

    def is_same(text: str) -> bool:
        try:
            return Version(text) == version
        except InvalidVersion:
            return False

    folder_name, _, folder_version = opened.info.removesuffix(".dist-info").partition("-")
    if canonicalize_name(folder_name) != name or not is_same(folder_version):
        yield error("dist-info", opened.info, "its name is not that of the file")
    member = f"{opened.info}/METADATA"
    if member not in opened.by_name:
        yield error("metadata", "", f"it has no {member}")
        return
    stated_name, stated_version = _stated(opened.read(member, MAX_METADATA))
    if canonicalize_name(stated_name) != name:
        yield error("metadata-name", member, f"it is of the package '{shown(stated_name)}'")
    if not is_same(stated_version):
        yield error("metadata-version", member, f"it is of version '{shown(stated_version)}'")
    if (stated := _tags(opened.wheel)) is not None and stated != tags:
        yield warning("tags", [f"{opened.info}/WHEEL"], "its tags are not those of the file name")


def _stated(metadata: bytes) -> tuple[str, str]:
    """Name and version in METADATA; "" for one that is missing or there twice."""
    from packaging.metadata import parse_email

    raw, _ = parse_email(metadata)
    return raw.get("name", ""), raw.get("version", "")


def _tags(wheel: str) -> frozenset[Tag] | None:
    """The tags that WHEEL states; None if one cannot be read."""
    from packaging.tags import parse_tag

    found = re.findall(r"^Tag:[ \t]*(\S+)[ \t]*\r?$", wheel, re.MULTILINE)
    try:
        return frozenset().union(*(parse_tag(tag) for tag in found[:1000]))
    except ValueError:
        return None


def _record(opened: WheelFile) -> Iterator[Finding]:
    """Whether RECORD lists the files that are there, each once, and none outside."""
    record = f"{opened.info}/RECORD"
    stated: dict[str, Row] = {}
    doubled, wrong_size, missing = [], [], []
    for row in opened.rows:
        if row.path.startswith("/") or ".." in row.path.split("/") or has_controls(row.path):
            yield error("record-path", record, f"it lists '{shown(row.path)}', which is outside")
        if (other := stated.setdefault(row.path, row)) is not row:
            if other != row:
                yield error("record-twice", record, f"it has two rows for {shown(row.path)}")
            doubled.append(row.path)
    for path, row in stated.items():
        if (content := opened.by_name.get(path)) is None:
            missing.append(path)
        elif row.size and row.size != str(content.size):
            wrong_size.append(path)
    unlisted = [name for name in _installed(opened) if name not in stated]
    for code, members, problem in (
        ("record-double", doubled, "RECORD lists it twice"),
        ("record-missing", missing, "RECORD lists it, and it is not there"),
        ("record-size", wrong_size, "RECORD has another size for it"),
        ("record-unlisted", unlisted, "RECORD does not list it"),
    ):
        if members:
            yield warning(code, members, problem)


def _installed(opened: WheelFile) -> Iterator[str]:
    """The members that RECORD must list: all but folders and what is about RECORD itself."""
    exempt = {f"{opened.info}/{name}" for name in ("RECORD", *SIGNATURES)}
    for member in opened.members:
        if not member.is_folder and member.name not in exempt:
            yield member.name


def _contents(opened: WheelFile) -> Iterator[Finding]:
    """Whether every member has the CRC and hash that are stated."""
    stated = {row.path: row for row in opened.rows}
    for member in opened.members:
        row = stated.get(member.name, Row("", "", ""))
        algorithm, _, promised = row.hash.partition("=")
        try:
            digest = hashlib.new(algorithm or "sha256")
        except (ValueError, TypeError):  # TypeError: a NUL in it
            digest = None
        # Digests of no fixed size cannot be compared.
        if digest is None or algorithm in _WEAK_HASHES or not digest.digest_size:
            problem = f"RECORD has its hash as {shown(algorithm)}, which is not allowed"
            yield error("record-hash", member.name, problem)
            continue
        try:
            for block in checked(member.content):
                digest.update(block)
        except BadZip as damage:
            yield error("damaged", member.name, damage.problem)
            continue
        if promised and urlsafe_b64encode(digest.digest()).rstrip(b"=").decode() != promised:
            problem = "its bytes do not have the hash that RECORD states"
            yield error("record-hash", member.name, problem)
