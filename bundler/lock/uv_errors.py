"""What uv says when it finds no solution, and what a person can do about each."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bundler.errors import MetadataError, ResolutionError, option
from bundler.target import Target


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression that is searched in what uv said, and the remedy if it is found.

    ``with_constraints`` says that it counts only where versions were fixed beforehand.
    """

    said: str
    remedy: str
    with_constraints: bool = False


PATTERNS = (
    Pattern(
        r"(?i)operation timed out|error sending request|Failed to fetch|Request failed after",
        "Check the network, PIP_INDEX_URL, HTTPS_PROXY and SSL_CERT_FILE; UV_HTTP_TIMEOUT sets how "
        "long uv waits.",
    ),
    Pattern(
        r"(?i)offline|network was disabled",
        "Run once without --offline, or keep a lock beside the requirements.",
    ),
    Pattern(
        r"not found in the package registry|there (is|are) no versions?\b|no version of",
        "Check the name and the version; a private index goes into PIP_INDEX_URL.",
    ),
    Pattern(
        r"(?i)wheels are available|no usable wheels|no wheels with a matching",
        f"Allow another version, choose a newer platform ({option('platform')}), or build it from "
        "source in a container.",
    ),
    Pattern(
        r"Git operation failed",
        "Check the address and the revision, and that git may read it from here.",
    ),
    Pattern(
        r"(?i)because",
        "Loosen one of these; versions that venv.zip holds are fixed for deps.zip.",
        with_constraints=True,
    ),
)
"""The first one that is found counts."""

OTHERWISE = "Loosen one of these requirements."

_BACKEND = "build backend returned an error"
_MARKS = re.compile(r"^\s*(error|cause|×|╰─▶|├─▶)[: ]\s*", re.MULTILINE)
_HEADING = "No solution found when resolving dependencies\n"
_MOST_CHARACTERS = 4000


def uv_error(stderr: str, target: Target, *, with_constraints: bool) -> ResolutionError:
    """The error to show for what ``uv pip compile`` said on ``stderr``.

    ``with_constraints`` says whether versions were fixed beforehand. It is a MetadataError if a
    source did not tell its metadata on this machine.
    """
    if _BACKEND in stderr:
        return _metadata_error(stderr, target)
    text = _MARKS.sub("", stderr.strip()).replace(_HEADING, "").strip()
    explanation, _, hint = text.partition("\n\nhint: ")
    hint = _one_line(hint.replace("hint: ", ""))
    remedy = next(
        (
            pattern.remedy
            for pattern in PATTERNS
            if re.search(pattern.said, stderr)
            and (with_constraints or not pattern.with_constraints)
        ),
        OTHERWISE,
    )
    return ResolutionError(
        f"No solution for {target.describe()}: {_one_line(explanation)}", hint, remedy
    )


def _metadata_error(stderr: str, target: Target) -> MetadataError:
    said = [line.strip() for line in stderr.partition("\n\nhint: ")[0].splitlines()]
    last = next((line for line in reversed(said) if line), "")
    return MetadataError(
        f"No solution for {target.describe()}: the metadata of a source distribution could not be "
        f"read: {_one_line(last)}",
        "Its build backend, run by this machine's Python, failed.",
        f"Resolve in the target's image: {option('builder')} auto or container.",
    )


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]} ..."
