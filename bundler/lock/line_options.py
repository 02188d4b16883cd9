"""The options of pip's requirements format: which are honoured, which are refused, and why.

https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LineOption:
    """An option, its ``flags`` with the one that names it first, and what becomes of it.

    ``value`` says whether one follows. ``refused`` is what to do instead, empty if the option is
    honoured; ``meaning`` is for the documentation.
    """

    flags: tuple[str, ...]
    meaning: str
    value: bool = True
    refused: str = ""

    @property
    def name(self) -> str:
        """The long flag."""
        return self.flags[0]


LINE_OPTIONS = (
    LineOption(("--requirement", "-r"), "reads another file"),
    LineOption(("--constraint", "-c"), "bounds versions without asking for the package"),
    LineOption(
        ("--editable", "-e"), "packs the tree as it is now: nothing is editable in an archive"
    ),
    LineOption(
        ("--index-url", "-i", "--pypi-url"),
        "replaces the index that is set up; the last one counts",
    ),
    LineOption(("--extra-index-url",), "adds an index"),
    LineOption(("--find-links", "-f"), "adds a folder or a page of files"),
    LineOption(("--no-index",), "asks no index", value=False),
    LineOption(("--no-binary",), "builds these packages (`:all:` for all) from source"),
    LineOption(("--only-binary",), "takes only wheels of these packages (`:all:` for all)"),
    LineOption(("--prefer-binary",), "prefers an older wheel to a newer source", value=False),
    LineOption(("--pre",), "allows pre-releases", value=False),
    LineOption(("--require-hashes",), "wants a hash for every package", value=False),
    LineOption(("--hash",), "allows a file by its SHA-256; other algorithms are refused"),
    LineOption(
        ("--no-require-hashes",),
        "",
        value=False,
        refused="Remove --require-hashes where it is set instead.",
    ),
    LineOption(("--all-releases",), "", refused="Use --pre, or ask for a pre-release by its pin."),
    LineOption(("--only-final",), "", refused="Remove it: pre-releases are left out anyway."),
    LineOption(
        ("--trusted-host",),
        "",
        refused="Set PIP_TRUSTED_HOST or trusted-host in pip's configuration.",
    ),
    LineOption(
        ("--use-feature",), "", refused="Remove it: it switches parts of pip, and uv resolves."
    ),
    LineOption(
        ("--config-settings", "--config-setting", "-C"),
        "",
        refused="Build that wheel yourself and name the file instead.",
    ),
    LineOption(
        ("--global-option",), "", refused="Build that wheel yourself and name the file instead."
    ),
    LineOption(
        ("--install-option",), "", refused="Build that wheel yourself and name the file instead."
    ),
    LineOption(
        ("--process-dependency-links",),
        "",
        value=False,
        refused="Name those packages by their URL.",
    ),
)
"""Every option of the format, those that pip has dropped too."""

_BY_FLAG = {flag: option for option in LINE_OPTIONS for flag in option.flags}


def split_options(line: str) -> tuple[str, list[tuple[LineOption, str]]]:
    """A logical line in two: the requirement (empty if it has none), and its options with values.

    Raises ValueError, for people, for an option that is unknown, refused or lacks its value.
    """
    words = line.split(" ")
    start = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    return " ".join(words[:start]).strip(), list(_options(shlex.split(" ".join(words[start:]))))


def _options(words: list[str]) -> Iterator[tuple[LineOption, str]]:
    rest = iter(words)
    for word in rest:
        flag, has_value, value = word.partition("=")
        if not word.startswith("--"):
            # -rFILE, -r FILE, and -r=FILE, which pip does not take.
            flag, value = word[:2], word[2:].removeprefix("=")
            has_value = value
        option = _BY_FLAG.get(flag)
        if option is None:
            raise ValueError(f"{flag!r} is not an option of requirements files")
        if option.refused:
            raise ValueError(f"{option.name} is not supported here. {option.refused}")
        if option.value and not has_value:
            value = next(rest, "")
        if option.value and not value:
            raise ValueError(f"{option.name} lacks its value")
        if has_value and not option.value:
            raise ValueError(f"{option.name} takes no value")
        yield option, value
