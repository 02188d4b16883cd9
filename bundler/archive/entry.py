"""One file of an archive, and where its bytes are."""

from __future__ import annotations

import stat
from dataclasses import dataclass, replace
from pathlib import Path

MANIFEST_NAME = "bundle-manifest.json"
"""The file of an archive in which ``bundle`` says what the archive is."""


@dataclass(frozen=True, slots=True)
class Inline:
    """Bytes held in memory: generated files and symlink targets."""

    data: bytes


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A regular file to be compressed when the archive is written."""

    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class Member:
    """Bytes that already lie compressed in another zip.

    ``offset`` is where the compressed bytes start (after the local header), ``method`` a zip
    method (0 stored, 8 deflated), sizes are in bytes (APPNOTE.TXT 4.4).
    """

    archive: Path
    offset: int
    method: int
    crc: int
    compressed_size: int
    size: int


Content = Inline | OnDisk | Member


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or symlink: POSIX ``name`` within the archive, ``mode`` as in ``st_mode``.

    ``owner`` names the distribution or base it comes from, for messages about conflicts.
    """

    name: str
    mode: int
    content: Content
    owner: str = ""

    @property
    def is_symlink(self) -> bool:
        """Whether the content is the target of a symlink."""
        return stat.S_ISLNK(self.mode)

    @property
    def size(self) -> int:
        """Uncompressed size in bytes."""
        if isinstance(self.content, Inline):
            return len(self.content.data)
        return self.content.size

    def renamed(self, name: str) -> Entry:
        """The same file under another name."""
        return replace(self, name=name)


def text_entry(name: str, text: str, *, executable: bool = False, owner: str = "") -> Entry:
    """A generated UTF-8 text file, mode 0644, or 0755 if ``executable``."""
    mode = stat.S_IFREG | (0o755 if executable else 0o644)
    return Entry(name, mode, Inline(text.encode()), owner)
