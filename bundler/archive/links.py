"""Symlinks of an archive, followed as a file system follows them once they are unpacked.

A target that is inside by its text can be outside once its own links are followed: ``a/b/../..``
is another place if ``b`` is a link. So each link is followed through all others of its archive.
"""

from __future__ import annotations

from collections.abc import Mapping

from bundler.archive.names import has_controls, shown

_MAX_TARGET = 4095
MAX_LINK = 1 << 16
"""How many bytes are read of a symlink's content: more than a target may have, to name its size."""
# Linux refuses a path with more links in it.
_MAX_STEPS = 40


class BadLink(ValueError):  # noqa: N818 - it is turned into the caller's kind of error
    """A symlink that an archive must not have; the text goes on after "it is a symlink"."""


def link_target(data: bytes) -> str:
    """The target of a symlink whose content is ``data``.

    Raises BadLink if that is not a relative path which Linux takes.
    """
    if len(data) > _MAX_TARGET:
        raise BadLink(f"with a target of {len(data):,} bytes; Linux takes {_MAX_TARGET:,}")
    try:
        target = data.decode()
    except UnicodeDecodeError as error:
        raise BadLink("whose target is not UTF-8") from error
    if not target:
        raise BadLink("without a target")
    if has_controls(target):
        raise BadLink(f"whose target has control characters ({shown(target)})")
    if target.startswith("/") or "\\" in target:
        raise BadLink(f"that leads out of the archive ({shown(target)})")
    return target


def is_inside(name: str, target: str) -> bool:
    """Whether a symlink at ``name`` to ``target`` stays in its archive, other links aside."""
    try:
        Links({name: link_target(target.encode(errors="surrogateescape"))}).end_of(name)
    except BadLink:
        return False
    return True


class Links:
    """All symlinks of one archive: ``targets`` by their names, read by `link_target`."""

    def __init__(self, targets: Mapping[str, str]) -> None:
        self._targets = targets
        self._ends: dict[str, tuple[list[str], int]] = {}
        self._following: set[str] = set()

    def end_of(self, name: str) -> str:
        """Where the symlink ``name`` leads at last, as a name in the archive; "" is its root.

        Nothing need be there. Raises BadLink if it leads out at any step, or in a circle.
        """
        return "/".join(self._followed(name)[0])

    def _followed(self, name: str) -> tuple[list[str], int]:
        """The parts of the path at the end of a link, and how many links were followed."""
        if (known := self._ends.get(name)) is not None:
            return known
        if name in self._following or len(self._following) >= _MAX_STEPS:
            raise BadLink("that leads in a circle, or through too many others")
        self._following.add(name)
        try:
            self._ends[name] = self._walked(name)
        finally:
            self._following.discard(name)
        return self._ends[name]

    def _walked(self, name: str) -> tuple[list[str], int]:
        target = self._targets[name]
        path, steps = name.split("/")[:-1], 1
        for part in target.split("/"):
            if part == "..":
                if not path:
                    raise BadLink(f"that leads out of the archive ({shown(target)})")
                path.pop()
            elif part not in ("", "."):
                path.append(part)
                # What is before this part holds no link any more: those were followed.
                if (place := "/".join(path)) in self._targets:
                    end, more = self._followed(place)
                    path, steps = list(end), steps + more
        if steps > _MAX_STEPS:
            raise BadLink("that leads in a circle, or through too many others")
        return path, steps
