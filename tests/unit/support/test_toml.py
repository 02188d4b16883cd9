"""TOML of strangers."""

from __future__ import annotations

import pytest

from bundler.support.toml import parse_toml


def test_a_table() -> None:
    assert parse_toml(b'a.b = [1, "x"]') == {"a": {"b": [1, "x"]}}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"a = '\xff'", "not UTF-8 at byte 5"),
        (b"a = ", "Invalid value"),
        (b"a = " + b"[" * 200 + b"]" * 200, "nested too deeply"),
        (b".".join([b"a"] * 200) + b" = 1", "nested too deeply"),
        (b"marker = \"python_version >= '" + b"6" * 5_000 + b"'\"", "more than 1,000 digits"),
        (b"a = " + b"6" * 5_000, "more than 1,000 digits"),
    ],
)
def test_what_is_not_read(data: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_toml(data)
