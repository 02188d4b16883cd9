"""The text of requirements files as pip reads it: decoded, continued lines joined, files included.

https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bundler.errors import BundlerError, UsageError, option
from bundler.lock.line_options import LineOption, split_options
from bundler.support.files import read_bounded

_LARGEST = 16 << 20
_MOST_FILES = 500
_DEEPEST = 50

_COMMENT = re.compile(r"(^|\s+)#.*$")
_CODING = re.compile(rb"coding[:=]\s*([-\w.]+)")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f]")
# The longer ones first: that of UTF-32 begins with that of UTF-16.
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_EXPORT = {
    ".toml": "Export it (`uv export`, `poetry export`) or give the project's folder as `.`.",
    ".lock": "Export it: `uv export`, `poetry export` or `pipenv requirements`.",
    ".yml": f"Give a conda environment with {option('environment')} of `bundle venv`.",
    ".yaml": f"Give a conda environment with {option('environment')} of `bundle venv`.",
    ".py": "Give the project's folder as a requirement, `.` for this one.",
    ".cfg": "Give the project's folder as a requirement, `.` for this one.",
    "Pipfile": "Export it: `pipenv requirements > requirements.txt`.",
}


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """One line of a requirements file, without comments and runs of white space.

    ``requirement`` and ``options`` are its two parts; ``constraint`` says that the file was
    included with ``-c``.
    """

    file: Path
    number: int
    text: str
    requirement: str
    options: tuple[tuple[LineOption, str], ...]
    constraint: bool

    def wrong(self, why: str, remedy: str = "") -> UsageError:
        """The error to show for this line."""
        return _wrong(self.file, self.number, why, remedy)


def logical_lines(file: Path) -> Iterator[LogicalLine]:
    """All lines of ``file`` and of the files that it includes, each file once.

    Raises UsageError for a file that is missing, not a regular file, too large, neither UTF-8 nor
    marked as something else, includes itself, or has a line that is not of the format.
    """
    yield from _Reader().read(file, (), constraint=False)


@dataclass(frozen=True, slots=True)
class _Reader:
    seen: set[tuple[Path, bool]] = field(default_factory=set)

    def read(
        self, file: Path, above: tuple[Path, ...], *, constraint: bool
    ) -> Iterator[LogicalLine]:
        resolved = file.resolve()
        if (resolved, constraint) in self.seen:
            return
        self.seen.add((resolved, constraint))
        if len(self.seen) > _MOST_FILES or len(above) > _DEEPEST:
            raise UsageError(
                f"{above[0]} includes more than {_MOST_FILES} files, or deeper than {_DEEPEST}.",
                "Expected fewer requirements files.",
                "Put the requirements into one file.",
            )
        for number, text in _joined(_text(file, above)):
            line = _parsed(file, number, text, constraint)
            included = [
                (option.name == "--constraint", value)
                for option, value in line.options
                if option.name in ("--requirement", "--constraint")
            ]
            if not included or line.requirement or len(line.options) > 1:
                yield line
                continue
            for is_constraint, value in included:
                if "://" in value:
                    raise line.wrong("includes a URL", "Download that file and include the copy.")
                inner = file.parent / value
                if inner.resolve() in (*above, resolved):
                    raise line.wrong(
                        f"includes {value}, which includes {file.name}", "Remove one of the two."
                    )
                yield from self.read(inner, (*above, resolved), constraint=is_constraint)


def _text(file: Path, above: tuple[Path, ...]) -> str:
    try:
        data = read_bounded(file, _LARGEST, "a requirements file")
    except BundlerError as error:
        if not above:
            raise
        found = f"{error.found} {above[-1]} includes it."
        raise UsageError(found, error.expected, error.remedy) from error
    encoding = _encoding(data)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} is not {encoding.upper()}: byte {error.object[error.start]:#04x} at offset "
            f"{error.start}.",
            "Expected UTF-8, or another encoding with a byte order mark or a coding comment.",
            "Save it as UTF-8 (`iconv -f latin1 -t utf-8` converts Latin-1).",
        ) from error
    except LookupError as error:
        raise UsageError(
            f"{file} says that its encoding is {encoding!r}, which is unknown.",
            "Expected an encoding that Python knows.",
            "Save it as UTF-8 and remove the coding comment.",
        ) from error


def _encoding(data: bytes) -> str:
    for bom, name in _BOMS:
        if data.startswith(bom):
            return name
    for start in data.split(b"\n", 2)[:2]:
        declared = _CODING.search(start) if start.startswith(b"#") else None
        if declared is not None:
            return declared[1].decode()
    return "utf-8"


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Lines with the number of their first one; a backslash at the end continues a line."""
    parts: list[str] = []
    first = 1
    for number, line in enumerate(text.splitlines(), 1):
        is_comment = _COMMENT.match(line) is not None
        if not parts:
            first = number
        if line.endswith("\\") and not is_comment:
            parts.append(line.rstrip("\\"))
            continue
        # A comment ends a continued line, and is told from a fragment by the space before it.
        yield first, "".join([*parts, f" {line}" if is_comment else line])
        parts = []
    if parts:
        yield first, "".join(parts)


def _parsed(file: Path, number: int, raw: str, constraint: bool) -> LogicalLine:
    if control := _CONTROL.search(raw):
        raise _wrong(file, number, f"holds the control character {control[0]!r}")
    text = " ".join(_COMMENT.sub("", raw).split())
    try:
        requirement, options = split_options(text)
    except ValueError as error:
        raise _wrong(file, number, str(error)) from error
    return LogicalLine(file, number, text, requirement, tuple(options), constraint)


def _wrong(file: Path, number: int, why: str, remedy: str = "") -> UsageError:
    other_format = _EXPORT.get(file.suffix or file.name, "")
    return UsageError(
        f"{file}, line {number}: {why}.",
        "Expected one requirement a line, such as pandas>=2, or an option of pip's format.",
        remedy or other_format or "Change or remove that line.",
    )
