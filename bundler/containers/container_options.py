"""How to build in a container: what a person may say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bundler.containers.words import (
    check_commands,
    check_environment,
    check_image,
    check_network,
    check_packages,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """How to build in a container.

    ``image`` is an image or the name of a build image; None takes the one of the target's platform.
    ``network`` is the engine's network mode. ``system_packages`` are installed with the image's
    package manager, then the shell commands ``before_build`` run; ``environment`` is for these and
    the builds. Raises UsageError for a word that cannot be what it stands for.
    """

    image: str | None = None
    network: str | None = None
    system_packages: tuple[str, ...] = ()
    before_build: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_image(self.image)
        check_network(self.network)
        check_packages(self.system_packages)
        check_commands(self.before_build)
        check_environment(self.environment)
