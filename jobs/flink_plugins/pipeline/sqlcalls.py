"""Finding the calls of a function in SQL text, so that its plugin can check them."""

from __future__ import annotations

import re
from typing import Iterator, List, Tuple

_TOKEN = re.compile(
    r"'(?:[^']|'')*'"  # a string
    r"|`[^`]*`"  # a quoted name
    r"|--[^\n]*|/\*.*?\*/"  # a comment
    r"|\w+|\S",
    re.DOTALL,
)


def calls(sql: str, function: str) -> Iterator[List[str]]:
    """The arguments, as SQL text, of each call of ``function`` in ``sql``, in order."""
    tokens = [
        (match.group(), match.start(), match.end())
        for match in _TOKEN.finditer(sql)
        if not match.group().startswith(("--", "/*"))
    ]
    for index, (text, _, _) in enumerate(tokens[:-1]):
        if text.strip("`").lower() == function.lower() and tokens[index + 1][0] == "(":
            yield _arguments(sql, tokens[index + 1 :])


def _arguments(sql: str, tokens: List[Tuple[str, int, int]]) -> List[str]:
    depth = 0
    start = tokens[0][2]
    arguments: List[str] = []
    for text, begin, end in tokens:
        if text in "([":
            depth += 1
        elif text in ")]":
            depth -= 1
        if depth == 0 or (depth == 1 and text == ","):
            argument = sql[start:begin].strip()
            if argument or arguments or depth:
                arguments.append(argument)
            start = end
        if depth == 0:
            break
    return arguments
