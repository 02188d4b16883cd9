"""Wheels or sources: what ``--no-binary`` and ``--only-binary`` say, as pip adds them up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from packaging.utils import InvalidName, canonicalize_name

ALL = ":all:"
_NONE = ":none:"

Choice = tuple[Literal["no-binary", "only-binary"], str]
"""A flag and one value: a normalized name, ``:all:`` or ``:none:``."""


@dataclass(frozen=True, slots=True)
class Formats:
    """What must be built and what must not, by ``choices`` in their order.

    A name overrides ``:all:``; of two that contradict each other, the later.
    """

    choices: tuple[Choice, ...] = ()

    @classmethod
    def parse(cls, flag: Literal["no-binary", "only-binary"], value: str) -> Formats:
        """What ``--FLAG VALUE`` says. Raises ValueError for what is not a name."""
        words = filter(None, (word.strip() for word in value.split(",")))
        return cls(tuple((flag, _name(word)) for word in words))

    def then(self, later: Formats) -> Formats:
        """Both; ``later`` wins."""
        return Formats((*self.choices, *later.choices))

    def must_build(self, name: str) -> bool:
        """Whether the wheels of the package ``name`` (normalized) may not be used."""
        sources, wheels = self._sets()
        return name in sources or (ALL in sources and name not in wheels)

    def must_not_build(self, name: str) -> bool:
        """Whether only wheels of the package ``name`` (normalized) may be used."""
        sources, wheels = self._sets()
        return name in wheels or (ALL in wheels and name not in sources)

    def words(self) -> Iterator[str]:
        """The same in words, sorted: ``no-binary lz4``."""
        sources, wheels = self._sets()
        yield from (f"no-binary {name}" for name in sorted(sources))
        yield from (f"only-binary {name}" for name in sorted(wheels))

    def uv_arguments(self) -> Iterator[str]:
        """The flags of uv that say the same."""
        for word in self.words():
            flag, name = word.split()
            yield from (f"--{flag}", name)

    def _sets(self) -> tuple[frozenset[str], frozenset[str]]:
        """What must be built and what must not, by pip's rule (its ``FormatControl``)."""
        sets: dict[str, frozenset[str]] = {"no-binary": frozenset(), "only-binary": frozenset()}
        for flag, name in self.choices:
            other = "only-binary" if flag == "no-binary" else "no-binary"
            if name == ALL:
                sets[flag], sets[other] = frozenset({ALL}), frozenset()
            elif name == _NONE:
                sets[flag] = frozenset()
            else:
                sets[flag], sets[other] = sets[flag] | {name}, sets[other] - {name}
        return sets["no-binary"], sets["only-binary"]


def _name(word: str) -> str:
    if word in (ALL, _NONE):
        return word
    try:
        return canonicalize_name(word, validate=True)
    except InvalidName as error:
        raise ValueError(f"{word!r} is not the name of a package") from error
