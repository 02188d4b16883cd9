"""What goes to an index, in which order."""

from __future__ import annotations

from pathlib import Path

from bundler.wheelhouse.publish import libraries_first


def names(*files: str) -> list[str]:
    return [path.name for path in libraries_first([Path(file) for file in files])]


def test_libraries_go_up_before_the_package_that_requires_them() -> None:
    package, library = (
        "big_one-1.0-cp311-cp311-linux_x86_64.whl",
        "big_one_lib-1.0-py3-none-any.whl",
    )
    second = "big_one_lib_2-1.0-py3-none-any.whl"
    assert names(package, second, library) == [library, second, package]


def test_a_package_whose_own_name_ends_in_lib_is_not_a_library() -> None:
    assert names("my_lib-1.0-py3-none-any.whl", "a-1.0-py3-none-any.whl") == [
        "a-1.0-py3-none-any.whl",
        "my_lib-1.0-py3-none-any.whl",
    ]
