"""Names that a file of an archive may have, so that any worker can unpack it."""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Control characters, or what is not a plain relative path.
_UNFIT = re.compile(r"[\x00-\x1f\x7f-\x9f\\]|(?:^|/)(?:\.{0,2})(?:/|$)|^[A-Za-z]:")
_MAX_PART = 255
# Linux takes paths of 4,095 bytes; workers unpack into folders of some hundred.
_MAX_NAME = 4095 - 512
_SHOWN = 120


def name_problem(name: str) -> str:
    """What keeps ``name`` from being unpacked on Linux within its folder; "" if nothing does.

    Goes on after "its name ...", as in "is not a plain relative path".
    """
    if _UNFIT.search(name):
        return "has control characters" if has_controls(name) else "is not a plain relative path"
    if name.isascii() and len(name) <= _MAX_PART:
        return ""
    try:
        encoded = name.encode()
    except UnicodeEncodeError:
        return "is not UTF-8"
    if len(encoded) > _MAX_PART:
        if len(encoded) > _MAX_NAME:
            return f"has {len(encoded):,} bytes; workers take {_MAX_NAME:,}"
        longest = max(len(part) for part in encoded.split(b"/"))
        if longest > _MAX_PART:
            return f"has a part of {longest:,} bytes; file systems take {_MAX_PART}"
    return ""


def has_controls(text: str) -> bool:
    """Whether ``text`` has characters that no name should have, such as newlines and escapes."""
    return _CONTROL.search(text) is not None


def shown(name: str) -> str:
    """``name`` for a message: escaped where it would act on a terminal, cut where it is long."""
    text = "".join(each if each.isprintable() else repr(each)[1:-1] for each in name[:_SHOWN])
    return f"{text}..." if len(name) > _SHOWN else text
