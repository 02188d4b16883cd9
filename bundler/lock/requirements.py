"""Requirements files as a person wrote them: checked, fingerprinted, and their hashes gathered.

The format is pip's (https://pip.pypa.io/en/stable/reference/requirements-file-format/); uv reads
the files again to resolve them. What is read here is what uv does not keep: the text, to tell
whether a lock still fits, ``--hash`` options, and the indexes that a file names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bundler.errors import UsageError

_NESTED = re.compile(r"(?:-r|-c|--requirement|--constraint)[ =]?\s*(.+)")
_INDEX = re.compile(
    r"(?P<flag>-i|--index-url|--extra-index-url|-f|--find-links)[ =]?\s*(?P<place>.+)|--no-index"
)
_REQUIREMENT = re.compile(r"(?!-|constraint )|-e|--editable")
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s]+@")
_GUARDED = re.compile(r"https?://[^/@\s]+@\S+")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_HASH = re.compile(r"--hash[= ]sha256:([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class Requirements:
    """Requirements files and loose requirements.

    ``lines`` are the logical lines of all files, nested ones too, sorted, without comments and
    credentials; ``hashes`` the allowed SHA-256 of each normalized name that has ``--hash`` options.
    ``indexes`` are the lines that say where packages come from, as they stand there, but with
    absolute paths; ``guarded`` the URLs with credentials that requirements name.
    """

    files: tuple[Path, ...] = ()
    packages: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    hashes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    indexes: tuple[str, ...] = ()
    guarded: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.files or self.packages)

    @property
    def index_urls(self) -> tuple[str, ...]:
        """The URLs of `indexes` and `guarded`, with what the environment has for ``${NAME}``."""
        places = (_INDEX.fullmatch(line) for line in self.indexes)
        named = [match["place"] for match in places if match and "://" in (match["place"] or "")]
        return tuple(
            _VARIABLE.sub(lambda name: os.environ.get(name[1], name[0]), url)
            for url in (*named, *self.guarded)
        )

    @property
    def replaces_index(self) -> bool:
        """Whether a file names the index to use instead of the one that is set up."""
        return any(line.startswith(("-i", "--index-url")) for line in self.indexes)


def read_requirements(files: Sequence[Path] = (), packages: Sequence[str] = ()) -> Requirements:
    """Read ``files`` and check ``packages`` (PEP 508 strings).

    Raises UsageError for a file that is missing, empty, not UTF-8 or includes itself, and for a
    package that is not a requirement.
    """
    for package in packages:
        try:
            Requirement(package)
        except InvalidRequirement as error:
            raise UsageError(
                f"'{package}' is not a requirement: {str(error).splitlines()[0]}",
                "Expected a name and perhaps a version, such as pandas>=2.",
                "Correct it.",
            ) from error
    lines = list(packages)
    indexes: list[str] = []
    for file in files:
        found = list(_logical_lines(file, ()))
        if not any(_REQUIREMENT.match(line) for line, _ in found):
            raise UsageError(
                f"{file} holds no requirement.",
                "Expected one requirement a line, such as pandas>=2.",
                "Write what the job imports into it.",
            )
        lines += [line for line, _ in found]
        indexes += [_index_line(line, folder) for line, folder in found if _INDEX.fullmatch(line)]
    guarded = [
        url for line in lines if not _INDEX.fullmatch(line) for url in _GUARDED.findall(line)
    ]
    return Requirements(
        tuple(files),
        tuple(packages),
        tuple(sorted({_CREDENTIALS.sub("", line) for line in lines})),
        _hashes(lines),
        tuple(dict.fromkeys(indexes)),
        tuple(dict.fromkeys(guarded)),
    )


def combined(*several: Requirements) -> Requirements:
    """All of them as one."""
    return read_requirements(
        [file for each in several for file in each.files],
        [package for each in several for package in each.packages],
    )


def _index_line(line: str, folder: Path) -> str:
    match = _INDEX.fullmatch(line)
    if match and match["flag"] in ("-f", "--find-links") and (folder / match["place"]).exists():
        return f"--find-links {(folder / match['place']).resolve()}"
    return line


def _logical_lines(file: Path, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    """Each line, and the folder that its paths start from."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        by = f", which {above[-1]} names," if above else ""
        raise UsageError(
            f"{file}{by} does not exist.", "Expected a requirements file.", "Correct the path."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{file} is not UTF-8: byte {error.object[error.start]:#04x} at offset {error.start}.",
            "Requirements files are UTF-8 text.",
            "Save it as UTF-8 (`iconv -f latin1 -t utf-8` converts Latin-1).",
        ) from error
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.") from error
    for raw in re.sub(r"\\\r?\n", " ", text).splitlines():
        line = " ".join(re.sub(r"(^|\s)#.*", "", raw).split())
        if not line:
            continue
        nested = _NESTED.fullmatch(line)
        if nested is None:
            yield line, file.parent
            continue
        inner = (file.parent / nested[1].strip("\"'")).resolve()
        if inner in above:
            raise UsageError(f"{file} includes {inner}, which includes it.", remedy="Remove one.")
        prefix = "constraint " if line.startswith(("-c", "--c")) else ""
        for inner_line, folder in _logical_lines(inner, (*above, file.resolve())):
            yield f"{prefix}{inner_line}", folder


def _hashes(lines: Sequence[str]) -> dict[str, frozenset[str]]:
    hashes: dict[str, frozenset[str]] = {}
    for line in lines:
        found = _HASH.findall(line)
        name = re.match(r"(?:constraint )?([A-Za-z0-9][A-Za-z0-9._-]*)", line)
        if found and name:
            key = canonicalize_name(name[1])
            hashes[key] = hashes.get(key, frozenset()) | {digest.lower() for digest in found}
    return hashes
