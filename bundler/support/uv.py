"""Running uv, so that it leaves nothing behind."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bundler.support.process import Finished, run

# A host that says nothing is an error after about 70 seconds; uv's own bounds make it 130.
_BOUNDS = {"UV_HTTP_TIMEOUT": "20", "UV_HTTP_RETRIES": "2"}


def run_uv(
    arguments: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Finished:
    """Run ``uv`` with ``arguments``; the rest is as in `bundler.support.process.run`.

    It leaves a lock file in its temporary folder for each source that it builds or asks for its
    metadata, so it gets a folder that goes. Unless UV_HTTP_TIMEOUT or UV_HTTP_RETRIES is set, it
    waits 20 seconds for a host and asks it three times.
    """
    from uv import find_uv_bin

    with tempfile.TemporaryDirectory(prefix="bundle-uv-") as scratch:
        bounds = {name: value for name, value in _BOUNDS.items() if name not in os.environ}
        environment = {**bounds, **(env or {}), "TMPDIR": scratch}
        return run([find_uv_bin(), *arguments], cwd=cwd, env=environment, timeout=timeout)
