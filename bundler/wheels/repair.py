"""A wheel that was built in a container: repaired to the platform tag, fetched and read back."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.archive.zipformat import FIRST_TIME
from bundler.containers.log import Log
from bundler.containers.sandbox import Sandbox
from bundler.wheels.built import settle, wheel_name
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
    status = box.run(
        [*command, wheel], log.line, environment={"SOURCE_DATE_EPOCH": str(FIRST_TIME)}
    )
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


def built_name(box: Sandbox, folder: str, project: str | None = None) -> str:
    """The name of the one wheel in ``folder`` of the container; raises as `wheel_name` does."""
    return wheel_name(box.read(["ls", "-A", folder]).splitlines(), project)


def fetch_built(box: Sandbox, folder: str, out: Path) -> Path:
    """The one wheel in ``folder`` of the container, copied into ``out``.

    It is read whole, and its binaries look for libraries only beside themselves. Raises BuildError
    if it is not one sound wheel, VerificationError for a damaged binary.
    """
    files = box.get(folder, out)
    wheel_name([path.name for path in files])
    settle(files[0])
    return files[0]
