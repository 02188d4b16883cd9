"""Which venv.zip were made on this machine: only their Python is run here without being asked."""

from __future__ import annotations

from pathlib import Path

from bundler.session import Session
from bundler.support.files import sha256_of, whole_file

_KIND, _NAME = "made", "venv.zip"


def remember(sha256: str, session: Session) -> None:
    """Note in the cache that the venv.zip with this hash was made on this machine."""
    with whole_file(session.cache.path(_KIND, sha256, _NAME)):
        pass  # that it is there says all


def is_made_here(venv: Path, session: Session) -> bool:
    """Whether ``venv`` has the bytes of a venv.zip that was made on this machine."""
    return session.cache.path(_KIND, sha256_of(venv), _NAME).is_file()
