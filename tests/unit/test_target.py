from __future__ import annotations

import pytest
from packaging.tags import Tag

from bundler.errors import UsageError
from bundler.releases import FLINK_LINES
from bundler.target import Target


@pytest.mark.parametrize(
    ("given", "flink", "python", "platform"),
    [
        ({}, "2.2.1", "3.11", "manylinux2014_x86_64"),
        ({"python": "3.7"}, "1.18.1", "3.7", "manylinux2014_x86_64"),
        ({"flink": "1.16", "python": "3.7.16"}, "1.16.3", "3.7.16", "manylinux2014_x86_64"),
        ({"flink": "1.16.3"}, "1.16.3", "3.9", "manylinux2014_x86_64"),
        ({"platform": "manylinux_2_28_aarch64"}, "2.2.1", "3.11", "manylinux_2_28_aarch64"),
    ],
)
def test_missing_parts_follow(
    given: dict[str, str], flink: str, python: str, platform: str
) -> None:
    assert Target.parse(**given) == Target(flink, python, platform)


@pytest.mark.parametrize(
    ("given", "found", "remedy"),
    [
        (
            {"flink": "2.2.1", "python": "3.7"},
            "PyFlink 2.2.1 has no wheel for Python 3.7",
            "1.16.3",
        ),
        ({"python": "3.13"}, "No PyFlink release has a wheel for Python 3.13", "--python"),
        ({"flink": "9.9.9"}, "Flink 9.9.9 is not a release", "--flink"),
        ({"flink": "2.2.9"}, "Flink 2.2.9 is not a release", "--flink"),
        ({"flink": "1.13.3"}, "cannot be installed", "1.13.6"),
        ({"python": "three"}, "'three' is not a CPython version", "--python"),
        ({"platform": "manylinux_3_1_x86_64"}, "'manylinux_3_1_x86_64' is not", "--platform"),
        ({"platform": "win_amd64"}, "'win_amd64' is not a platform tag", "--platform"),
    ],
)
def test_impossible_targets(given: dict[str, str], found: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        Target.parse(**given)
    assert found in caught.value.found
    assert remedy in caught.value.remedy
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize(
    ("platform", "name"),
    [
        ("manylinux1_x86_64", "x86_64-manylinux2014"),
        ("manylinux2014_aarch64", "aarch64-manylinux2014"),
        ("manylinux_2_26_x86_64", "x86_64-manylinux2014"),
        ("manylinux_2_28_x86_64", "x86_64-manylinux_2_28"),
        ("manylinux_2_99_x86_64", "x86_64-manylinux_2_40"),
    ],
)
def test_uv_is_given_a_platform_that_it_knows(platform: str, name: str) -> None:
    assert Target.parse(platform=platform).uv_platform == name


def test_the_newest_line_is_named_when_no_release_fits() -> None:
    newest = list(FLINK_LINES.values())[-1]
    with pytest.raises(UsageError) as caught:
        Target.parse(python="3.13")
    assert newest.newest in caught.value.expected


def test_tags_are_those_an_installer_on_the_target_would_take() -> None:
    tags = Target.parse(flink="1.16.3", python="3.7").tags
    assert tags[0] == Tag("cp37", "cp37m", "manylinux_2_17_x86_64")
    assert Tag("cp37", "cp37m", "manylinux1_x86_64") in tags
    assert Tag("cp36", "abi3", "manylinux2014_x86_64") in tags
    assert Tag("py3", "none", "any") in tags
    assert Tag("cp37", "cp37m", "manylinux_2_18_x86_64") not in tags


def test_a_minor_version_means_its_last_patch_release() -> None:
    assert Target.parse(python="3.7").python_full == "3.7.17"
    assert Target.parse(python="3.7.16").python_full == "3.7.16"


@pytest.mark.parametrize(
    ("flink", "python", "capped"),
    [("1.16.3", "3.9", True), ("1.17.2", "3.9", True), ("1.20.3", "3.10", True),
     ("1.20.4", "3.10", False), ("2.2.1", "3.11", False)],
)  # fmt: skip
def test_setuptools_is_capped_where_beam_needs_it(flink: str, python: str, capped: bool) -> None:
    assert Target.parse(flink=flink, python=python).needs_setuptools_cap is capped
