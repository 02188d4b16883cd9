"""What is wrong with a file, as values: to be raised, shown, or gathered in a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bundler.archive.names import shown

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: the ``code`` of the rule, where, and what.

    ``member`` is a file in what was looked at, escaped for messages, or "" for all of it;
    ``problem`` is a sentence without its dot that begins with "it" or "its".
    """

    code: str
    severity: Severity
    member: str
    problem: str

    def __str__(self) -> str:
        return f"{self.member}: {self.problem}" if self.member else self.problem


def error(code: str, member: str, problem: str) -> Finding:
    """A finding that keeps the file from being used."""
    return Finding(code, "error", shown(member), problem)


def warning(code: str, members: Sequence[str], problem: str) -> Finding:
    """A finding that is told; of several ``members`` the first is named."""
    others = f" (and {len(members) - 1:,} more files)" if len(members) > 1 else ""
    return Finding(code, "warning", shown(members[0]) if members else "", f"{problem}{others}")
