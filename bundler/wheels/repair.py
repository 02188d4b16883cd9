"""A wheel that was compiled in a container, repaired to the platform tag and read back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.containers.log import Log
from bundler.containers.sandbox import Sandbox
from bundler.containers.steps import EPOCH
from bundler.wheels.fit import check_wheel

if TYPE_CHECKING:
    from bundler.target import Target


def repair(box: Sandbox, wheel: str, folder: str, target: Target, log: Log) -> None:
    """Graft what ``wheel`` needs beyond the platform tag into it (auditwheel), into ``folder``.

    Raises VerificationError naming file, symbol and version if they are newer than the tag
    allows, BuildError if a library is missing or the image has no auditwheel.
    """
    log.heading(f"Repairing {wheel.rpartition('/')[2]}")
    command = ["auditwheel", "repair", "--plat", target.platform, "--only-plat", "-w", folder]
    status = box.run([*command, wheel], log.line, environment={"SOURCE_DATE_EPOCH": EPOCH})
    if status == 0:
        return
    with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
        for path in box.get(wheel, Path(scratch)):
            check_wheel(path, target, repaired=False)
    if "executable file not found" in log.reason:
        raise log.failed("The image has no auditwheel.", "Expected it on PATH.")
    raise log.failed(
        f"auditwheel could not turn {wheel.rpartition('/')[2]} into a {target.platform} wheel.",
        log.reason,
    )
