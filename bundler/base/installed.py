"""An installed CPython as a base to be kept: what host, standalone and image have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from bundler.base.prefix import make_relocatable
from bundler.base.store import NewBase

if TYPE_CHECKING:
    from bundler.support.interpreters import Interpreter
    from bundler.support.progress import Progress
    from bundler.target import Target


def make_installed_base(
    python: Interpreter, kind: str, target: Target, staging: Path, progress: Progress
) -> NewBase:
    """``python``, relocatable and slimmed, for `bundler.base.store.keep`.

    Extension modules that lack a library where they come from are left out with a note. Raises
    BuildError as `make_relocatable` does.
    """
    with progress.task(f"Making Python {python.version} relocatable"):
        owner = f"Python {python.version} ({kind})"
        prefix = make_relocatable(python, target.architecture, staging, owner)
    for name, library in sorted(prefix.left_out.items()):
        progress.note(f"Left out {name}: it needs {library}, which is missing.")
    return NewBase(
        python.version,
        prefix.entries,
        prefix.site_packages,
        prefix.executable,
        sources=prefix.sources,
    )
