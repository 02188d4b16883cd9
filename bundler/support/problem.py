"""What pydantic found wrong in a file that people or strangers write, in the words of that file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError

_SHOWN = 80
_KEY = "[key]"

# pydantic speaks of Python's types, a file has others.
_EXPECTED = {
    "bool_type": "true or false",
    "dict_type": "a table",
    "int_type": "a whole number",
    "list_type": "an array",
    "mapping_type": "a table",
    "missing": "a value for it",
    "model_type": "a table",
    "path_type": "a path in quotes",
    "string_type": "text in quotes",
    "tuple_type": "an array",
}
_LIMITS = {
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} characters",
    "too_long": "at most {max_length} entries",
    "too_short": "at least {min_length} entry",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """The first thing that is wrong: at which ``key`` ("venv.base"), what was ``found`` there and
    what was ``expected``, each a part of a sentence; how many ``others`` follow.

    ``kind`` is pydantic's ("extra_forbidden", "missing"), ``location`` the key in its parts.
    """

    key: str
    found: str
    expected: str
    kind: str
    location: tuple[int | str, ...]
    others: int

    @property
    def and_others(self) -> str:
        """What to put after a remedy: "" or how many more problems there are."""
        return f" ({self.others} more after this one.)" if self.others else ""


def first_problem(error: ValidationError) -> Problem:
    """The first of the problems that ``error`` reports."""
    problem = error.errors(include_url=False)[0]
    kind, location = problem["type"], problem["loc"]
    of_name = bool(location) and location[-1] == _KEY
    plain = tuple(part for part in location if part != _KEY)
    if kind == "extra_forbidden":
        found = "is not a known key"
    elif kind == "missing":
        found = "is missing"
    elif of_name:
        found = "is not a possible name"
    else:
        found = f"is {_shortened(repr(problem['input']))}"
    return Problem(
        key=".".join(_plain(str(part)) for part in plain),
        found=found,
        expected=_expected(kind, problem["msg"], dict(problem.get("ctx", {}))),
        kind=kind,
        location=plain,
        others=error.error_count() - 1,
    )


def _expected(kind: str, message: str, limits: dict[str, object]) -> str:
    if kind in _LIMITS:
        return _LIMITS[kind].format(**limits)
    told = _EXPECTED.get(kind, message)
    return told.removeprefix("Input should be ").removeprefix("Value error, ")


def _plain(part: str) -> str:
    """A part of a key as text for a message: a stranger may have put anything into it."""
    return part if part.isprintable() and len(part) <= _SHOWN else _shortened(repr(part))


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
