"""The mappings of a pipeline file, read key by key, with errors that name the place."""

from __future__ import annotations

import re
from typing import Any, Dict, Iterator, Set, Tuple, Type, Union

from flink_plugins.errors import PipelineError

_KINDS = {
    dict: "a mapping",
    list: "a list",
    str: "a text",
    int: "a whole number",
    bool: "true or false",
}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}\Z")
_UNITS = {"ms": 1, "s": 1000, "min": 60000, "h": 3600000}
_SIZES = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_LARGEST_COUNT = (1 << 31) - 1  # what Java has as an int

Kinds = Union[Type[Any], Tuple[Type[Any], ...]]


def shown(value: Any) -> str:
    """A value of the file as an error shows it: on one line, and not all of a long one."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


class Entry:
    """A mapping of the file; knows its ``name``, its place, and which of its keys were read."""

    def __init__(self, value: Any, place: str, name: str = "") -> None:
        if not isinstance(value, dict):
            raise PipelineError(f"{place}: found {shown(value)}. Expected a mapping.")
        self.value: Dict[Any, Any] = value
        self.place = place
        self.name = name
        self._read: Set[str] = set()

    def get(self, key: str, kinds: Kinds, default: Any = None, required: bool = False) -> Any:
        """The value of ``key``, which is one of ``kinds``. Raises PipelineError."""
        self._read.add(key)
        if key not in self.value:
            if required:
                raise PipelineError(f"{self.place}: '{key}' is missing.")
            return default
        value = self.value[key]
        allowed = kinds if isinstance(kinds, tuple) else (kinds,)
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            expected = " or ".join(_KINDS[kind] for kind in allowed)
            raise PipelineError(f"{self.place}.{key}: found {shown(value)}. Expected {expected}.")
        if isinstance(value, str) and "\0" in value:
            raise PipelineError(f"{self.place}.{key}: {shown(value)} has a NUL character.")
        return value

    def inner(self, key: str) -> Entry:
        """The mapping at ``key``, empty if it is missing. Raises PipelineError."""
        return Entry(self.get(key, dict, {}), f"{self.place}.{key}")

    def choice(self, key: str, choices: Tuple[str, ...], default: str) -> str:
        """The value of ``key``, one of ``choices``. Raises PipelineError."""
        value: str = self.get(key, str, default)
        if value not in choices:
            listed = ", ".join(choices)
            raise PipelineError(
                f"{self.place}.{key}: found {shown(value)}. Expected one of {listed}."
            )
        return value

    def count(self, key: str, default: Any) -> Any:
        """The value of ``key``, a whole number from 1 to that of Java's largest int."""
        value = self.get(key, int, default)
        if value is not None and value < 1:
            raise PipelineError(f"{self.place}.{key}: {value} is less than 1.")
        if value is not None and value > _LARGEST_COUNT:
            raise PipelineError(
                f"{self.place}.{key}: {shown(value)} is more than {_LARGEST_COUNT}."
            )
        return value

    def seconds(self, key: str, default: str) -> float:
        """The duration at ``key``, in seconds. Raises PipelineError."""
        return duration(self.get(key, str, default), f"{self.place}.{key}") / 1000.0

    def texts(self, key: str) -> Dict[str, str]:
        """The mapping at ``key`` with its values as SQL and Flink write them."""
        return {str(name): _text(value) for name, value in self.get(key, dict, {}).items()}

    def done(self) -> None:
        """Raise PipelineError if there is a key that was not read."""
        unknown = sorted(set(map(str, self.value)) - self._read)
        if unknown:
            listed = ", ".join(sorted(self._read))
            raise PipelineError(
                f"{self.place}: {shown(unknown[0])} is not known here. Expected some of {listed}."
            )


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def named(root: Entry, key: str) -> Iterator[Entry]:
    """The entries of the section ``key``, each with its name. Raises PipelineError."""
    for name, value in root.get(key, dict, {}).items():
        place = f"{key}.{name}"
        if not _NAME.match(str(name)):
            raise PipelineError(
                f"{key}: {shown(name)} is not a name. Expected letters, digits and '_', without a "
                "digit at the start."
            )
        yield Entry(value, place, str(name))


def duration(text: Any, place: str) -> int:
    """Milliseconds of "500 ms", "10s", "5 min" or "1 h". Raises PipelineError."""
    match = re.match(r"([0-9]{1,12})\s*(ms|s|min|h)\Z", str(text).strip())
    if match is None:
        raise PipelineError(
            f"{place}: {shown(text)} is not a time. Expected one such as 500 ms, 10 s or 5 min."
        )
    return int(match.group(1)) * _UNITS[match.group(2)]


def size(text: Any, place: str) -> int:
    """Bytes of "1000", "64 KiB", "32 MiB" or "1 GiB". Raises PipelineError."""
    match = re.match(r"([0-9]{1,15})\s*(KiB|MiB|GiB|)\Z", str(text).strip())
    if match is None:
        raise PipelineError(f"{place}: {shown(text)} is not a size such as 32 MiB.")
    return int(match.group(1)) * _SIZES[match.group(2)]
