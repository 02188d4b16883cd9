"""The container engine of the tests: found or refused, and the image they build in."""

from __future__ import annotations

import os

import pytest

from bundler.containers.engine import engine, machine_of
from bundler.containers.image_build import ImageOptions, build_image
from bundler.containers.sandbox import LABEL
from bundler.errors import BuildError
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.support.interpreters import find_host
from bundler.target import Target

EXTRA_PYTHONS = ("3.8", "3.13")
"""Put into the image beside Debian's 3.11 where this machine has them."""

FREE_THREADED = "3.13t"
"""Compiled for the image."""

PLATFORM = "manylinux_2_36_x86_64"
"""What the debian image can keep for any code: Debian 12's own glibc."""


def need_engine() -> None:
    """Skip if there is no engine; with CI=true, fail."""
    try:
        with engine() as client:
            machine = machine_of(client)
        if machine == "x86_64":
            return
        reason = f"the engine's machine is {machine}, the tests' targets are x86_64"
    except BuildError as error:
        reason = str(error).replace("\n", " ")
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have a container engine: {reason}")
    pytest.skip(f"needs a container engine: {reason}")


def debian_image(cache: Cache) -> str:
    """Build the debian image, or take the one that is there; its reference."""
    pythons = tuple(
        minor for minor in EXTRA_PYTHONS if find_host(Target("2.2.1", minor, PLATFORM)) is not None
    )
    return build_image(
        "debian", Session(cache), options=ImageOptions(pythons=(*pythons, FREE_THREADED))
    ).reference


def containers() -> list[str]:
    """The ids of this tool's containers, running or not."""
    with engine() as client:
        found = client.containers.list(all=True, filters={"label": LABEL})
        return [str(container.id) for container in found]
