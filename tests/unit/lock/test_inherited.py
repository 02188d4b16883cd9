"""What pip and uv would read of the environment is honoured, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundler.errors import UsageError
from bundler.lock.inherited import VARIABLES, inherited_requirements


def read(tmp_path: Path, **environment: str) -> tuple[str, ...]:
    found = inherited_requirements({"PIP_CONFIG_FILE": "/dev/null", **environment})
    return (*found.options, *found.constraint_lines(tmp_path))


@pytest.mark.parametrize(
    ("environment", "options"),
    [
        ({}, ()),
        ({"PIP_NO_BINARY": "lz4,numpy"}, ("no-binary lz4", "no-binary numpy")),
        (
            {"PIP_ONLY_BINARY": ":all:", "PIP_NO_BINARY": "lz4"},
            ("no-binary lz4", "only-binary :all:"),
        ),
        (
            {"PIP_NO_BINARY": ":all:", "PIP_ONLY_BINARY": "lz4"},
            ("no-binary :all:", "only-binary lz4"),
        ),
        ({"UV_NO_BINARY": "true"}, ("no-binary :all:",)),
        ({"UV_NO_BINARY_PACKAGE": "lz4 numpy"}, ("no-binary lz4", "no-binary numpy")),
        ({"UV_NO_BUILD": "1"}, ("only-binary :all:",)),
        ({"UV_NO_BUILD_PACKAGE": "lz4"}, ("only-binary lz4",)),
        ({"PIP_PRE": "1"}, ("pre",)),
        ({"PIP_PRE": "0"}, ()),
        ({"PIP_PREFER_BINARY": "yes"}, ("prefer-binary",)),
        ({"PIP_REQUIRE_HASHES": "true"}, ("require-hashes",)),
        ({"UV_PRERELEASE": "allow"}, ()),
    ],
)
def test_variables(tmp_path: Path, environment: dict[str, str], options: tuple[str, ...]) -> None:
    assert read(tmp_path, **environment) == options


@pytest.mark.parametrize("name", ["PIP_CONSTRAINT", "UV_CONSTRAINT"])
def test_files_of_constraints(tmp_path: Path, name: str) -> None:
    (tmp_path / "bounds.txt").write_text("numpy<2  # why\n")
    assert read(tmp_path, **{name: str(tmp_path / "bounds.txt")}) == ("numpy<2",)
    with pytest.raises(UsageError, match="does not exist"):
        read(tmp_path, **{name: str(tmp_path / "absent.txt")})
    with pytest.raises(UsageError, match="is not a path"):
        read(tmp_path, **{name: "https://h.example/bounds.txt"})


def test_a_configuration_file_says_the_same(tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text("[global]\nno-binary = lz4\npre = yes\n")
    found = inherited_requirements({"PIP_CONFIG_FILE": str(tmp_path / "pip.conf")})
    assert found.options == ("no-binary lz4", "pre")


def test_what_is_refused_is_named(tmp_path: Path) -> None:
    refused = [name for each in VARIABLES if each.refused for name in each.names]
    assert refused
    for name in refused:
        with pytest.raises(UsageError, match=f"{name} is set, and is not supported"):
            read(tmp_path, **{name: "x"})


def test_a_value_that_is_not_a_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'\.\./x' is not the name of a package"):
        read(tmp_path, PIP_NO_BINARY="../x")
