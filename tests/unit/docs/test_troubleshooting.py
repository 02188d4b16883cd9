"""The errors that the docs quote are the ones in the code."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.literals import string_literals

ROOT = Path(__file__).parents[3]


def test_the_errors_of_troubleshooting_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text().partition("## In the job's own")[0]
    quoted = re.findall(r"(?m)^\| `([^`]+)`", text)
    assert len(quoted) > 20

    messages = [message for message, _ in string_literals(ROOT / "bundler")]
    missing = [error for error in quoted if not any(_says(each, error) for each in messages)]
    assert not missing


def _says(message: str, error: str) -> bool:
    """Whether ``message``, with a … for each value put into it, contains ``error``."""
    return all(part.strip() in message for part in error.split("…"))
