"""Symlinks that may be in an archive: relative, and never out of it."""

from __future__ import annotations

import posixpath


def leaves(name: str, target: str) -> bool:
    """Whether a symlink at ``name`` to ``target`` points anywhere but into the same archive."""
    if not target or target.startswith("/") or "\\" in target or "\0" in target:
        return True
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    return resolved == ".." or resolved.startswith("../")
