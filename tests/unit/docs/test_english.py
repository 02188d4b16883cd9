"""What a user reads is plain English: no phrase of a list that was found in this project before.

`make check` holds the spelling.

The rules, and what to write instead, are in docs/development/style.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.literals import string_literals

ROOT = Path(__file__).parents[3]
BANNED = {
    r"(?i)(?<!there )\b(is|are|was) no (?!longer|more|[a-z]+er\b)[a-z]": "is not a ...",
    r"\banew\b": "again",
    r"\ban own\b": "its own, your own",
    r"\bCorrect (it|them|that \w+|the path|this)\.": "the flag or key to change",
    r"\bcannot be had\b": "could not fetch ...",
    r"\bwanted is\b": "the requirements want ...",
    r"\b(lie|lies|lay) (in|at|on|below|beside|there|outside|under)\b": "is in ...",
    r"\bstands? (in|at|below|beside|there|under|for itself)\b": "is in ...",
    r"\b(is|are) there (already|twice|that)\b": "already exists, appears twice",
    r"\bsuch an?\b": "name it",
    r"\bwill do\b": "works",
    r"\bwins? over\b": "takes precedence over",
    r"\b(may|can) not use\b": "have no permission to ...",
    r"\bbelongs? into\b": "belongs in",
    r"\bbesides that\b": "also",
    r"\btill\b": "until",
    r"\bsession\.cache\b": "the cache",
}


def texts() -> Iterator[tuple[str, str]]:
    """Every text that a user may read, and where it is."""
    pages = [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "build_images").rglob("*.md"),
        *(ROOT / "examples").rglob("*.md"),
        ROOT / "jobs" / "README.md",
        *(ROOT / "bundler").rglob("*.txt"),
    ]
    for page in pages:
        if page == ROOT / "docs" / "development" / "style.md":  # which quotes them
            continue
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            yield line, f"{page.relative_to(ROOT)}:{number}"
    yield from string_literals(ROOT / "bundler")
    yield from string_literals(ROOT / "jobs" / "flink_plugins")


@pytest.mark.parametrize("phrase", BANNED)
def test_a_phrase_is_nowhere(phrase: str) -> None:
    found = [
        f"{place}: {text[max(match.start() - 40, 0) : match.end() + 40]}"
        for text, place in texts()
        if (match := re.search(phrase, text))
    ]

    assert not found, f"write {BANNED[phrase]!r} instead"


def test_the_list_finds_what_it_is_for() -> None:
    quoted = (ROOT / "docs" / "development" / "style.md").read_text(encoding="utf-8")
    bad = [line.split("|")[1] for line in quoted.splitlines() if line.startswith("| ")]

    assert sum(any(re.search(phrase, text) for phrase in BANNED) for text in bad) >= 4
