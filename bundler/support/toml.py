"""TOML that people or strangers wrote: of bounded depth, and never a traceback."""

from __future__ import annotations

import re
import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# The parser takes time that grows with the square of a dotted key's parts.
_DEEP_KEY = re.compile(
    rb"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){32}""", re.ASCII
)
# Python reads no number of so many digits, and versions within texts are read as numbers.
_LONG_NUMBER = re.compile(rb"[0-9]{1001}")
_DEEPEST = 100
_SHOWN = 200


def parse_toml(data: bytes) -> dict[str, Any]:
    """The table that ``data`` holds.

    Raises ValueError, with a message for people, for text that is not UTF-8 or not TOML 1.0, and
    for tables and arrays that are nested more than 100 deep, keys more than 32, and numbers of more
    than 1,000 digits.
    """
    if _DEEP_KEY.search(data):
        raise ValueError("it is nested too deeply")
    if _LONG_NUMBER.search(data):
        raise ValueError("it holds a number of more than 1,000 digits")
    try:
        table: dict[str, Any] = tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 at byte {error.start}") from error
    except ValueError as error:
        # Beside TOMLDecodeError: a number of 5,000 digits, a 30 February.
        raise ValueError(str(error)[:_SHOWN]) from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    level: list[Any] = [table]
    for _ in range(_DEEPEST):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, dict | list)
        ]
    if level:
        raise ValueError("it is nested too deeply")
    return table
