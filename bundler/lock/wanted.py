"""One requirement, parsed: a name with a version, or a place that a wheel or a source comes from.

What a resolver gets is written from these values, never from the text that somebody wrote.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bundler.errors import UsageError
from bundler.support.urls import FILE_SCHEMES, parse_url

_SCHEMES = (*FILE_SCHEMES, "git+https", "git+http", "git+ssh", "git+file")
_EXTRAS = re.compile(r"(?P<place>.+?)\[(?P<extras>[A-Za-z0-9._, -]+)\]")
# What uv reads as a path just as it is.
_PLAIN_PATH = re.compile(r"[A-Za-z0-9_./+ -]+")
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar")
_NUMBER = re.compile(r"[0-9]{1001}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A requirement: ``named``, or at a ``place`` (a URL, or a path as it was written), or both.

    A path is relative to the folder of the project.
    """

    named: Requirement | None = None
    place: str = ""
    extras: tuple[str, ...] = ()
    marker: Marker | None = None
    editable: bool = False

    @property
    def name(self) -> str | None:
        """The normalized name; None if only the build of the place tells it."""
        return canonicalize_name(self.named.name) if self.named else None

    @property
    def url(self) -> str | None:
        """The URL of the place, if it is one."""
        return self.place if "://" in self.place else None

    def line(self, folder: Path) -> str:
        """As a line for uv or pip, run in ``folder``."""
        if self.named is not None and not self.place:
            return str(self.named)
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        place = self.url or _path(self.place, folder)
        parts = ["-e"] if self.editable else []
        parts += [f"{self.named.name}{extras}", "@", place] if self.named else [f"{place}{extras}"]
        return " ".join([*parts, *([f"; {self.marker}"] if self.marker else [])])


def _path(written: str, folder: Path) -> str:
    path = Path(written.removeprefix("file:"))
    if path.is_absolute() or not _PLAIN_PATH.fullmatch(written):
        return (folder / path).resolve().as_uri()
    return f"./{os.path.normpath(path)}"


def parse_wanted(text: str, *, editable: bool = False) -> Wanted:
    """``text``, a requirement of pip's format without its options.

    Raises UsageError if it is not one: ``found`` says why.
    """
    if control := _CONTROL.search(text):
        raise _not_one(text, f"it holds {control[0]!r}")
    if _NUMBER.search(text):  # Python reads none of so many digits
        raise _not_one(text[:100], "it holds a number of more than 1,000 digits")
    if text.lower().endswith(_ARCHIVES) and "@" not in text:
        return _unnamed(text, "", editable)  # it may look like a name
    try:
        named = Requirement(text)
    except InvalidRequirement as error:
        return _unnamed(text, str(error).splitlines()[0], editable)
    if named.url is None:
        if editable:
            return _unnamed(text, "only a folder or a repository is editable", editable)
        return Wanted(named)
    place = _checked_place(named.url)
    return Wanted(named, place, tuple(sorted(named.extras)), named.marker, editable)


def _unnamed(text: str, why: str, editable: bool) -> Wanted:
    place, separator, condition = text.partition(" ;")
    marker = None
    if separator:
        try:
            marker = Marker(condition.strip())
        except InvalidMarker as error:
            raise _not_one(text, str(error).splitlines()[0]) from error
    extras: tuple[str, ...] = ()
    if match := _EXTRAS.fullmatch(place.strip()):
        place = match["place"]
        extras = tuple(sorted(canonicalize_name(one.strip()) for one in match["extras"].split(",")))
    place = place.strip()
    if "://" not in place and not (
        editable
        or place.startswith((".", "/", "file:"))
        or "/" in place
        or place.lower().endswith(_ARCHIVES)
    ):
        raise _not_one(text, why)
    return Wanted(None, _checked_place(place), extras, marker, editable)


def _checked_place(place: str) -> str:
    if "://" in place:
        parse_url(place, "a requirement", _SCHEMES)
    elif place.removeprefix("file:").startswith("-") or not place.removeprefix("file:"):
        raise _not_one(place, "it is not a path")
    return place


def _not_one(text: str, why: str) -> UsageError:
    return UsageError(
        f"{text[:200]!r} is not a requirement: {why}.",
        "Expected a name and perhaps a version, such as pandas>=2, a path, or a URL.",
        "Change it, or remove it.",
    )
