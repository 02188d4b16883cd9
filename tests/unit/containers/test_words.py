"""What a project may say about containers, before it reaches an engine or a package manager."""

from __future__ import annotations

from typing import Any

import pytest

from bundler.containers.container_options import ContainerOptions
from bundler.containers.image_build import ImageOptions
from bundler.errors import UsageError
from bundler.wheelhouse.factory import WheelBuildOptions


@pytest.mark.parametrize(
    "image",
    [
        "debian",
        "debian:bookworm",
        "localhost:1/nothing:here",
        "quay.io/pypa/manylinux2014_x86_64:2025.11.1-1",
        "Registry.example:5000/a/b-c_d.e@sha256:" + "0" * 64,
        "flink-bundler/debian:latest",
        "sha256:" + "a" * 64,
    ],
)
def test_images(image: str) -> None:
    assert ContainerOptions(image=image).image == image


def test_what_systems_and_engines_name() -> None:
    ContainerOptions(
        network="container:some-1",
        system_packages=("g++", "libxml2-dev", "libc6:arm64", "zlib1g=1:1.2.13*", "@devel"),
        before_build=("echo a\necho b",),
        environment={"A_1": "x\ny"},
    )
    ImageOptions(pythons=("3.8", "3.13t"), arguments={"REGISTRY": "http://x"}, network="host")
    WheelBuildOptions(pythons=("3.8",), test_requires=("pytest>=8", "a @ https://host/a.whl"))


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (ContainerOptions, {"image": "--privileged"}),
        (ContainerOptions, {"image": "a b"}),
        (ContainerOptions, {"image": "a\nb"}),
        (ContainerOptions, {"image": ""}),
        (ContainerOptions, {"image": "a/../b"}),
        (ContainerOptions, {"image": "a" * 600}),
        (ContainerOptions, {"network": "-x"}),
        (ContainerOptions, {"network": "host\n"}),
        (ContainerOptions, {"system_packages": ("-o=APT::Update::Pre-Invoke::=id",)}),
        (ContainerOptions, {"system_packages": ("libc6-",)}),
        (ContainerOptions, {"system_packages": ("a b",)}),
        (ContainerOptions, {"system_packages": ("",)}),
        (ContainerOptions, {"system_packages": ("$(id)",)}),
        (ContainerOptions, {"before_build": ("a\0",)}),
        (ContainerOptions, {"environment": {"A=B": "x"}}),
        (ContainerOptions, {"environment": {"A": "\0"}}),
        (ImageOptions, {"base": "-x"}),
        (ImageOptions, {"pythons": ("3.8; id",)}),
        (ImageOptions, {"arguments": {"": "x"}}),
        (WheelBuildOptions, {"pythons": ("../3.8",)}),
        (WheelBuildOptions, {"ccache": "/etc"}),
        (WheelBuildOptions, {"test_requires": ("--index-url=http://host",)}),
        (WheelBuildOptions, {"test_requires": ("a\n--index-url http://host",)}),
    ],
)
def test_what_would_be_an_option_or_a_path(kind: Any, values: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=r"is not|has a NUL") as caught:
        kind(**values)
    assert caught.value.expected
