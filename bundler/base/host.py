"""A Python that is already on this machine: uv-managed, pyenv, on PATH, or the system's own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bundler.base.installed import make_installed_base
from bundler.base.model import Base
from bundler.base.store import NewBase, keep, key_of
from bundler.errors import BuildError
from bundler.session import Session
from bundler.support.interpreters import HostPython

if TYPE_CHECKING:
    from bundler.target import Target


def make_host_base(found: HostPython, target: Target, session: Session) -> Base:
    """The base made of a local Python, from the cache if neither it nor its libraries changed.

    Raises BuildError if it cannot be made relocatable.
    """
    python = found.interpreter
    reason = f"Python {python.version} of this machine ({found.source}: {python.prefix})"
    stat = (python.stdlib / "os.py").stat()
    identity = key_of("host", str(python.executable), str(python.stdlib), stat.st_mtime_ns)

    def make(staging: Path) -> NewBase:
        return make_installed_base(python, "host", target, staging, session.progress)

    return keep(session, identity, "host", reason, make)


def no_host(target: Target) -> BuildError:
    """The error that says which Python was looked for on this machine, and where."""
    return BuildError(
        f"No Python {target.python} for {target.architecture} is on this machine.",
        "Searched: the Pythons of uv and pyenv, PATH and /usr/bin.",
        f"Install it (pyenv install {target.python}), or use --base standalone or "
        "--base conda, which download theirs.",
    )
