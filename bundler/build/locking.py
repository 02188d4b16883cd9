"""Requirements whose metadata only the target's interpreter can tell -> the same lock as ever."""

from __future__ import annotations

import re
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from bundler.build.container import ContainerOptions, resolve_in_container
from bundler.lock import Lock, make_lock
from bundler.progress import SILENT, Progress
from bundler.requirements import read_requirements
from bundler.resolve import JARS_DISTRIBUTION, Wanted, resolve

if TYPE_CHECKING:
    from bundler.cache import Cache
    from bundler.target import Target


def resolve_for_interpreter(
    wanted: Wanted,
    target: Target,
    folder: Path,
    cache: Cache,
    progress: Progress = SILENT,
    options: ContainerOptions | None = None,
) -> Lock:
    """As `bundler.resolve.resolve`, solved by pip-compile in the image of ``target``.

    uv then looks up the files of what was chosen, without asking for its dependencies again.
    Raises BuildError if there is no solution or no engine, ResolutionError if a file that was
    chosen is gone.
    """
    with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
        files = [file.resolve() for file in wanted.requirements.files]
        lines = [*wanted.requirements.packages]
        if wanted.constraints:
            constraints = Path(scratch, "constraints.txt")
            constraints.write_text("\n".join(wanted.constraints) + "\n", encoding="utf-8")
            lines.append(f"-c {constraints}")
        if lines:
            loose = Path(scratch, "packages.in")
            loose.write_text("\n".join(lines) + "\n", encoding="utf-8")
            files.append(loose)
        text = resolve_in_container(files, target, cache, progress, options or ContainerOptions())
        pinned = Path(scratch, "pinned.txt")
        without = () if wanted.jars else (JARS_DISTRIBUTION,)
        pinned.write_text(_without(text, without), encoding="utf-8")
        chosen = Wanted(read_requirements([pinned]), dependencies=False, jars=wanted.jars)
        lock = resolve(chosen, target, folder, progress)
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return make_lock(lock.pylock.packages, lock.pylock, wanted.question(target), now, folder)


def _without(text: str, names: tuple[str, ...]) -> str:
    """Pinned requirements less those called ``names``; hashes stand on indented lines."""
    blocks = re.split(r"(?m)^(?=\S)", text)
    kept = []
    for block in blocks:
        name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", block)
        if name is None or canonicalize_name(name[0]) not in names:
            kept.append(block)
    return "".join(kept)
