"""What belongs to one import package goes into one archive."""

from __future__ import annotations

from pathlib import Path

from bundler.stages.divide import keep_packages_whole
from bundler.wheels.obtain import Wheel
from tests.support.making_wheels import wheel


def made(folder: Path, name: str, *files: str) -> Wheel:
    return Wheel(name, "1.0", wheel(folder, dict.fromkeys(files, b"1"), name))


def names(wheels: list[Wheel]) -> list[str]:
    return [item.name for item in wheels]


def test_a_distribution_that_adds_to_a_regular_package_goes_along(tmp_path: Path) -> None:
    yaml = made(tmp_path, "yaml", "ruamel/yaml/__init__.py")
    text = made(tmp_path, "string", "ruamel/yaml/string/__init__.py")
    more = made(tmp_path, "more", "ruamel/yaml/string/more.py")
    other = made(tmp_path, "other", "other.py")
    venv, deps = keep_packages_whole([yaml], [more, other, text])
    assert names(venv) == ["more", "string", "yaml"]
    assert names(deps) == ["other"]


def test_a_package_whose_part_is_in_the_venv_goes_along(tmp_path: Path) -> None:
    part = made(tmp_path, "part", "big/plugins/part.py")
    big = made(tmp_path, "big", "big/__init__.py", "big/core.so")
    venv, deps = keep_packages_whole([part], [big])
    assert names(venv) == ["big", "part"]
    assert deps == []


def test_namespace_packages_are_divided(tmp_path: Path) -> None:
    auth = made(tmp_path, "auth", "google/auth/__init__.py")
    storage = made(tmp_path, "storage", "google/cloud/storage/__init__.py")
    venv, deps = keep_packages_whole([auth], [storage])
    assert names(venv) == ["auth"]
    assert names(deps) == ["storage"]
