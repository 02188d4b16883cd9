"""What is done in a container before, after and around a build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from bundler.archive.zipformat import FIRST_TIME
from bundler.containers.container_options import ContainerOptions
from bundler.containers.log import Log
from bundler.containers.sandbox import Sandbox
from bundler.containers.settings import settings_for
from bundler.errors import BuildError

if TYPE_CHECKING:
    from bundler.target import Target


_INSTALL = """
set -e
if command -v apt-get >/dev/null; then
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -- "$@"
elif command -v dnf >/dev/null; then dnf install -y -- "$@"
elif command -v yum >/dev/null; then yum install -y -- "$@"
elif command -v apk >/dev/null; then apk add --no-cache -- "$@"
else echo "error: the image has none of apt-get, dnf, yum and apk."; exit 1
fi
"""


def prepare(box: Sandbox, options: ContainerOptions, log: Log) -> dict[str, str]:
    """Settings, system packages and commands that come before any build; the builds' environment.

    Raises BuildError if one of them fails.
    """
    environment = {"SOURCE_DATE_EPOCH": str(FIRST_TIME), **settings_for(box), **options.environment}
    if options.system_packages:
        log.heading("Installing system packages")
        names = ", ".join(options.system_packages)
        command = ["sh", "-c", _INSTALL, "sh", *options.system_packages]
        run_step(
            box, log, command, environment, f"The system packages {names} could not be installed."
        )
    for line in options.before_build:
        log.heading(f"Running {line}")
        run_step(
            box, log, ["sh", "-ec", line], environment, f"The before-build command failed: {line}"
        )
    return environment


def run_step(
    box: Sandbox, log: Log, command: Sequence[str], environment: Mapping[str, str], failure: str
) -> None:
    """Run ``command`` in ``box``; if it fails, raise BuildError with ``failure`` and the log."""
    if box.run(command, log.line, environment=environment) != 0:
        raise log.failed(failure, log.reason)


def python_in(box: Sandbox, target: Target) -> str:
    """The target's interpreter in the image. Raises BuildError naming those that are there."""
    minor = target.python_minor.replace(".", "")
    path = f"/opt/python/cp{minor}-{target.abi}/bin/python"
    if box.run(["test", "-x", path], lambda line: None) == 0:
        return path
    there = box.read(["sh", "-c", "ls /opt/python 2>/dev/null || true"]).split()
    raise BuildError(
        f"{box.image} has no {path}.",
        f"Its Pythons: {', '.join(there) or 'none in /opt/python'}.",
        f"Name another with --image, or add it: bundle image build debian --python "
        f"{target.python_minor}.",
    )
