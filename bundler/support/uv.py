"""Running uv, so that it leaves nothing behind."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bundler.support.process import Finished, run


def run_uv(
    arguments: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Finished:
    """Run ``uv`` with ``arguments``; the rest is as in `bundler.support.process.run`.

    It leaves a lock file in its temporary folder for each source that it builds or asks for its
    metadata, so it gets a folder that goes.
    """
    from uv import find_uv_bin

    with tempfile.TemporaryDirectory(prefix="bundle-uv-") as scratch:
        environment = {**(env or {}), "TMPDIR": scratch}
        return run([find_uv_bin(), *arguments], cwd=cwd, env=environment, timeout=timeout)
