"""A relocatable Python, and what a person may say about where to take it from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.archive.glibc import GlibcNeed
from bundler.lock.policy import LockPolicy

if TYPE_CHECKING:
    from bundler.archive.entry import Entry
    from bundler.target import Target


@dataclass(frozen=True, slots=True)
class Base:
    """A relocatable Python prefix as archive entries, with names relative to the prefix.

    ``kind`` is ``standalone``, ``host``, ``manylinux`` or ``conda``; ``reason`` says for people
    which Python it is and why it was taken (it may name folders of this machine: not for
    archives). ``executable`` and ``site_packages`` are names relative to the prefix. ``glibc`` is
    the newest version that a file of it needs, ``glibc_need`` the file and symbol that do.
    ``distributions`` are the (normalized name, version) of the Python distributions it holds;
    ``requirements`` those that its environment file wants from the package index on top.
    """

    kind: str
    reason: str
    python_version: str
    entries: tuple[Entry, ...]
    site_packages: str
    executable: str
    glibc_need: GlibcNeed = field(default_factory=GlibcNeed)
    distributions: tuple[tuple[str, str], ...] = ()
    requirements: tuple[str, ...] = ()

    @property
    def glibc(self) -> tuple[int, int]:
        """The newest glibc needed, (major, minor)."""
        return self.glibc_need.version

    def fits(self, target: Target) -> bool:
        """Whether the glibc that the platform tag of ``target`` promises is new enough."""
        return self.glibc <= target.glibc


@dataclass(frozen=True, slots=True)
class BaseOptions:
    """Choices that only some kinds of base take.

    ``environment`` is an environment.yml, ``channels`` come before its own, ``lock`` is where the
    solved conda packages are kept and ``lock_policy`` how (see `LockPolicy`), ``from_prefix`` an
    existing conda environment, ``image`` a container image with ``/opt/python``.
    """

    environment: Path | None = None
    channels: tuple[str, ...] = ()
    lock: Path | None = None
    lock_policy: LockPolicy = "keep"
    from_prefix: Path | None = None
    image: str | None = None
