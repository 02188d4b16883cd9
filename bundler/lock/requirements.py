"""Requirements as a person wrote them: parsed, fingerprinted, and written again for the resolver.

The format is pip's (https://pip.pypa.io/en/stable/reference/requirements-file-format/); what each
option does is in `bundler.lock.line_options`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from bundler.errors import UsageError
from bundler.lock.formats import Formats
from bundler.lock.logical_lines import LogicalLine, logical_lines
from bundler.lock.wanted import Wanted, parse_wanted
from bundler.support.urls import parse_url

_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_SHA256 = re.compile(r"sha256:([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class Requirements:
    """What is asked for, and what bounds the answer.

    ``lines`` are the logical lines of all files, sorted, without comments and credentials: two that
    are equal mean the same. ``constraints`` are bounds on packages that others ask for; ``hashes``
    the allowed SHA-256 of each normalized name that has ``--hash`` options. ``index_url`` replaces
    the index that is set up; URLs may carry credentials, folders in ``find_links`` are absolute.
    """

    wanted: tuple[Wanted, ...] = ()
    constraints: tuple[Wanted, ...] = ()
    lines: tuple[str, ...] = ()
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    formats: Formats = field(default_factory=Formats)
    pre: bool = False
    prefer_binary: bool = False
    require_hashes: bool = False

    def __bool__(self) -> bool:
        return bool(self.wanted)

    @property
    def index_urls(self) -> tuple[str, ...]:
        """The indexes and pages, and the URLs with credentials, that the requirements name."""
        places = [self.index_url, *self.extra_index_urls, *self.find_links]
        places += [each.url for each in (*self.wanted, *self.constraints) if "@" in each.place]
        return tuple(dict.fromkeys(url for url in places if url and not url.startswith("file:")))

    @property
    def replaces_index(self) -> bool:
        """Whether a file names the index to use instead of the one that is set up."""
        return self.index_url is not None

    @property
    def options(self) -> tuple[str, ...]:
        """What changes the answer besides the lines, in words: ``no-binary lz4``, ``pre``."""
        flags = {
            "pre": self.pre,
            "prefer-binary": self.prefer_binary,
            "require-hashes": self.require_hashes,
        }
        return (*self.formats.words(), *(word for word, is_set in flags.items() if is_set))

    def index_lines(self) -> tuple[str, ...]:
        """The options, as lines for uv or pip, that say where packages come from."""
        lines = [f"--index-url {self.index_url}"] if self.index_url else []
        lines += [f"--extra-index-url {url}" for url in self.extra_index_urls]
        lines += [f"--find-links {place}" for place in self.find_links]
        return (*lines, *(["--no-index"] if self.no_index else []))

    def wanted_lines(self, folder: Path) -> tuple[str, ...]:
        """What is asked for, as lines for uv or pip, run in ``folder``."""
        return tuple(dict.fromkeys(each.line(folder) for each in self.wanted))

    def all_lines(self, folder: Path) -> tuple[str, ...]:
        """All but the constraints, as a requirements file for pip, run in ``folder``."""
        options = (f"--{option}" for option in self.options)
        return (*self.index_lines(), *options, *self.wanted_lines(folder))

    def constraint_lines(self, folder: Path) -> tuple[str, ...]:
        """The constraints, as lines for uv or pip, run in ``folder``."""
        return tuple(dict.fromkeys(each.line(folder) for each in self.constraints))


def read_requirements(files: Sequence[Path] = (), packages: Sequence[str] = ()) -> Requirements:
    """Read ``files`` and parse ``packages`` (PEP 508 strings).

    Raises UsageError for a file as `bundler.lock.logical_lines.logical_lines` does, and if it
    has no requirement; for an option that is not honoured, a variable that is not set, and for
    a package that is not a requirement.
    """
    parts = [
        Requirements(wanted=(parse_wanted(package),), lines=(_CREDENTIALS.sub("", package),))
        for package in packages
    ]
    for file in files:
        found = [_of_line(line) for line in logical_lines(file) if line.text]
        if not any(part.wanted for part in found):
            raise UsageError(
                f"{file} has no requirements.",
                "Expected one requirement on each line, such as pandas>=2.",
                "Add the packages that the job imports.",
            )
        parts += found
    return combined(*parts)


def read_constraints(file: Path) -> Requirements:
    """The lines of ``file`` as ``-c`` reads them. Raises UsageError as `read_requirements` does."""
    return combined(
        *(_of_line(replace(line, constraint=True)) for line in logical_lines(file) if line.text)
    )


def combined(*several: Requirements) -> Requirements:
    """All of them as one; where only one value can be, the last one counts."""
    hashes: dict[str, frozenset[str]] = {}
    formats = Formats()
    for each in several:
        formats = formats.then(each.formats)
        for name, digests in each.hashes.items():
            hashes[name] = hashes.get(name, frozenset()) | digests
    return Requirements(
        wanted=tuple(dict.fromkeys(one for each in several for one in each.wanted)),
        constraints=tuple(dict.fromkeys(one for each in several for one in each.constraints)),
        lines=tuple(sorted({line for each in several for line in each.lines})),
        hashes=hashes,
        index_url=next((each.index_url for each in reversed(several) if each.index_url), None),
        extra_index_urls=tuple(
            dict.fromkeys(url for each in several for url in each.extra_index_urls)
        ),
        find_links=tuple(dict.fromkeys(place for each in several for place in each.find_links)),
        no_index=any(each.no_index for each in several),
        formats=formats,
        pre=any(each.pre for each in several),
        prefer_binary=any(each.prefer_binary for each in several),
        require_hashes=any(each.require_hashes for each in several),
    )


def _of_line(line: LogicalLine) -> Requirements:
    """What one line says."""
    mark = "constraint " if line.constraint else ""
    result = Requirements(lines=(f"{mark}{_CREDENTIALS.sub('', line.text)}",))
    hashes: set[str] = set()
    wanted: list[Wanted] = []
    if line.requirement:
        wanted.append(_wanted(line, line.requirement))
    for option, text in line.options:
        if line.requirement and option.name != "--hash":
            raise line.wrong(f"{option.name} after a requirement", "Give it a line of its own.")
        value = _expanded(line, text)
        match option.name:
            case "--editable":
                wanted.append(_wanted(line, text, editable=True))
            case "--hash":
                hashes.add(_digest(line, value))
            case "--index-url":
                result = replace(result, index_url=_place(line, value))
            case "--extra-index-url":
                urls = (*result.extra_index_urls, _place(line, value))
                result = replace(result, extra_index_urls=urls)
            case "--find-links":
                result = replace(result, find_links=(*result.find_links, _place(line, value)))
            case "--no-binary" | "--only-binary":
                formats = result.formats.then(_formats(line, option.name, value))
                result = replace(result, formats=formats)
            case "--no-index":
                result = replace(result, no_index=True)
            case "--pre":
                result = replace(result, pre=True)
            case "--prefer-binary":
                result = replace(result, prefer_binary=True)
            case "--require-hashes":
                result = replace(result, require_hashes=True)
            case _:
                raise line.wrong(
                    f"{option.name} beside another option", "Give it a line of its own."
                )
    if hashes and not wanted:
        raise line.wrong("--hash without a requirement")
    if hashes and wanted[0].name is None:
        raise line.wrong("a hash of something without a name", "Write it as `NAME @ URL --hash`.")
    if line.constraint:
        if any(each.name is None or each.editable for each in wanted):
            raise line.wrong("a constraint without a name", "Write it as `NAME @ URL`.")
        result = replace(result, constraints=tuple(wanted))
    else:
        result = replace(result, wanted=tuple(wanted))
    named = {each.name: frozenset(hashes) for each in wanted if hashes and each.name}
    return replace(result, hashes=named)


def _wanted(line: LogicalLine, text: str, *, editable: bool = False) -> Wanted:
    try:
        return parse_wanted(_expanded(line, text), editable=editable)
    except UsageError as error:
        raise line.wrong(error.found.removesuffix(".")) from error


def _formats(line: LogicalLine, flag: str, value: str) -> Formats:
    try:
        return Formats.parse("no-binary" if flag == "--no-binary" else "only-binary", value)
    except ValueError as error:
        raise line.wrong(f"{flag}: {error}") from error


def _digest(line: LogicalLine, value: str) -> str:
    match = _SHA256.fullmatch(value)
    if match is None:
        raise line.wrong(
            f"{value[:80]!r} is not a SHA-256",
            "Write --hash=sha256: with 64 hexadecimal digits (`pip hash` prints it).",
        )
    return match[1].lower()


def _place(line: LogicalLine, value: str) -> str:
    """The URL of an index or page, or of a folder: in the file's folder if it is there, as pip."""
    if "://" in value:
        try:
            parse_url(value, "packages")
        except UsageError as error:
            raise line.wrong(error.found.removesuffix("."), error.remedy) from error
        return value
    path = line.file.parent / value
    # Not Path.exists, which raises for a name that no file can have.
    return (path if os.path.exists(path) else Path(value)).resolve().as_uri()  # noqa: PTH110


def _expanded(line: LogicalLine, text: str) -> str:
    def value(name: re.Match[str]) -> str:
        if not os.environ.get(name[1]):
            raise line.wrong(f"the environment variable {name[1]} is not set", "Set it.")
        return os.environ[name[1]]

    return _VARIABLE.sub(value, text)
