"""What a build is asked for, and what is known of the venv.zip beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bundler.containers.container_options import ContainerOptions
from bundler.lock.changes import Upgrade
from bundler.lock.policy import LockPolicy
from bundler.project.tables import BuildTable, Project
from bundler.session import Session
from bundler.target import Target


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What to build and how: a project, a session, and what becomes of locks and finished archives.

    ``policy`` is how the project's locks are treated (`bundler.lock.policy.LockPolicy`),
    ``upgrade`` which versions a renewed one need not keep; ``check`` says whether finished
    archives are unpacked and imported.
    """

    project: Project
    session: Session
    policy: LockPolicy = "fit"
    check: bool = True
    upgrade: Upgrade = field(default_factory=Upgrade)

    @property
    def target(self) -> Target:
        """The project's target. Raises UsageError if it is not a possible one."""
        table = self.project.tables.target
        return Target.parse(flink=table.flink, python=table.python, platform=table.platform)


@dataclass(frozen=True, slots=True)
class VenvContents:
    """What a venv.zip holds: the versions of its distributions, by normalized name, the full
    version of its Python, and its target: ``flink``, ``python`` and ``platform``.

    ``unversioned`` are distributions whose version the lock does not say: they do not constrain.
    """

    packages: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    target: Mapping[str, str] = field(default_factory=dict)
    unversioned: frozenset[str] = frozenset()

    @property
    def pins(self) -> dict[str, str]:
        """The versions that deps.zip must accept, since venv.zip has them."""
        return {
            name: version for name, version in self.packages.items() if name not in self.unversioned
        }


def container_options(table: BuildTable) -> ContainerOptions:
    """How the ``[build]`` table says to build in a container."""
    return ContainerOptions(
        image=table.image,
        network=table.network,
        system_packages=table.system_packages,
        before_build=table.before_build,
        environment=table.environment,
    )
