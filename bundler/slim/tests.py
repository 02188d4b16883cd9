"""The rule for test folders, which stay where a module that stays refers to them."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from bundler.archive.entry import Entry
from bundler.slim.rule import Rule, Slimming
from bundler.slim.scan import scanned, windows

_TESTS = re.compile(r"^(.+?/tests?)/")
_NO_PROGRAM = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_tests?|conftest|setup)\.py$")
_FROM = re.compile(
    rb"^[ \t]*from[ \t]+([.\w]+)[ \t]+import[ \t]+(\([^)]*\)|(?:\\\n|[^\n])*)", re.MULTILINE
)
_IMPORT = re.compile(rb"^[ \t]*import[ \t]+([^\n]+)", re.MULTILINE)
_DOTTED = re.compile(rb"""["']((?:\w+\.)+tests?(?:\.\w+)*)["']""")
# Longer than any import statement.
_OVERLAP = 1 << 16


def _without_tests(entries: Sequence[Entry], slimming: Slimming) -> list[Entry]:
    """Drop a package's ``tests`` folder if no module that stays refers to it.

    Some do: numpy.testing imports numpy._core.tests since numpy 2.2.
    """
    folders: dict[str, str] = {}
    for entry in entries:
        if match := _TESTS.match(slimming.inside(entry)):
            folders[entry.name] = match[1]
    if not folders:
        return list(entries)
    used = _used_modules((entry for entry in entries if entry.name not in folders), slimming)
    kept = {
        folder
        for folder in set(folders.values())
        if any(f"{module}.".startswith(f"{folder.replace('/', '.')}.") for module in used)
    }
    return [entry for entry in entries if entry.name not in folders or folders[entry.name] in kept]


TESTS = Rule(
    "tests",
    "tests and test folders of packages that no module outside of them mentions",
    True,
    _without_tests,
)


def _used_modules(entries: Iterable[Entry], slimming: Slimming) -> set[str]:
    """Every module with a part named test or tests that the Python files mention."""
    by_owner: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        name = entry.name
        if name.endswith(".py") and slimming.inside(entry) and not _NO_PROGRAM.search(name):
            by_owner[entry.owner].append(entry)
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda group: scanned(group, _mentioned, slimming), by_owner.values())
        return set().union(*found)


def _mentioned(entry: Entry, name: str) -> set[str]:
    found: set[str] = set()
    for data in windows(entry, _OVERLAP):
        if b"test" in data:
            found |= _mentions(data, name)
    return found


def _mentions(data: bytes, name: str) -> set[str]:
    found = {match[1].decode(errors="replace") for match in _DOTTED.finditer(data)}
    for match in _IMPORT.finditer(data):
        if b"test" in match[1]:
            found |= {
                part.split()[0]
                for part in match[1].decode(errors="replace").split(",")
                if part.split()
            }
    for match in _FROM.finditer(data):
        if b"test" in match[0]:
            found |= _imported_from(match, posixpath.dirname(name).split("/"))
    return {module for module in found if {"test", "tests"} & set(module.split("."))}


def _imported_from(match: re.Match[bytes], package: list[str]) -> set[str]:
    """The module of a ``from ... import`` statement within ``package``, and what it takes of it."""
    module = match[1].decode(errors="replace")
    rest = module.lstrip(".")
    if dots := len(module) - len(rest):
        module = ".".join([*package[: len(package) - dots + 1], *([rest] if rest else [])])
    names = re.findall(r"\w+", match[2].decode(errors="replace"))
    return {module, *(f"{module}.{name}" for name in names)}
