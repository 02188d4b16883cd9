"""Column types as SQL writes them, read without Flink."""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Tuple

from flink_plugins.errors import PipelineError


class ColumnType(NamedTuple):
    """A SQL type: ``name`` in capitals, ``numbers`` such as precision, ``children`` with names.

    The children of an ARRAY are called ``element``, those of a MAP ``key`` and ``value``.
    """

    name: str
    numbers: Tuple[int, ...] = ()
    children: Tuple[Tuple[str, "ColumnType"], ...] = ()

    @property
    def sql(self) -> str:
        """The type as SQL text."""
        if self.name == "ROW":
            inner = ", ".join(f"`{name}` {child.sql}" for name, child in self.children)
            return f"ROW<{inner}>"
        if self.children:
            inner = ", ".join(child.sql for _, child in self.children)
            return f"{self.name}<{inner}>"
        if self.numbers:
            numbers = ", ".join(map(str, self.numbers))
            return f"{self.name}({numbers})"
        return self.name


Schema = Tuple[Tuple[str, ColumnType], ...]

_SYNONYMS = {
    "INTEGER": "INT",
    "VARCHAR": "STRING",
    "CHAR": "STRING",
    "VARBINARY": "BYTES",
    "BINARY": "BYTES",
    "NUMERIC": "DECIMAL",
    "DEC": "DECIMAL",
    "BOOL": "BOOLEAN",
}
_NUMBERS = ("TINYINT", "SMALLINT", "INT", "BIGINT", "FLOAT", "DOUBLE", "DECIMAL")
_TIMES = ("DATE", "TIME", "TIMESTAMP", "TIMESTAMP_LTZ")
_PLAIN = frozenset(("BOOLEAN", "STRING", "BYTES", *_NUMBERS, *_TIMES))
_TOKEN = re.compile(r"\s*(`[^`]*`|\w+|[<>(),:])")


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: List[str] = []
        position = 0
        stripped = text.rstrip()
        while position < len(stripped):
            match = _TOKEN.match(stripped, position)
            if match is None:
                raise self.error(f"'{stripped[position]}' is not part of a type")
            self.tokens.append(match.group(1))
            position = match.end()

    def error(self, found: str) -> PipelineError:
        return PipelineError(
            f"Type '{self.text}': {found}. Expected a SQL type such as BIGINT, DECIMAL(10, 2), "
            "ARRAY<STRING>, MAP<STRING, INT> or ROW<a INT, b STRING>."
        )

    def next(self) -> str:
        if not self.tokens:
            raise self.error("it ends too early")
        return self.tokens.pop(0)

    def expect(self, token: str) -> None:
        found = self.next()
        if found != token:
            raise self.error(f"'{found}' where '{token}' should be")

    def type(self) -> ColumnType:
        name = self.next().upper()
        name = _SYNONYMS.get(name, name)
        if name == "ARRAY":
            self.expect("<")
            children: Tuple[Tuple[str, ColumnType], ...] = (("element", self.type()),)
            self.expect(">")
            return ColumnType(name, (), children)
        if name == "MAP":
            self.expect("<")
            key = self.type()
            self.expect(",")
            children = (("key", key), ("value", self.type()))
            self.expect(">")
            return ColumnType(name, (), children)
        if name == "ROW":
            return ColumnType(name, (), self.fields())
        if name not in _PLAIN:
            raise self.error(f"{name} is not a type that records can have")
        numbers = self.numbers()
        return ColumnType(name, () if name in ("STRING", "BYTES") else numbers)

    def fields(self) -> Schema:
        self.expect("<")
        fields = []
        while True:
            name = self.next().strip("`")
            fields.append((name, self.type()))
            token = self.next()
            if token == ">":
                return tuple(fields)
            if token != ",":
                raise self.error(f"'{token}' between fields")

    def numbers(self) -> Tuple[int, ...]:
        if not self.tokens or self.tokens[0] != "(":
            return ()
        self.next()
        numbers = []
        while True:
            number = self.next()
            if not number.isdigit():
                raise self.error(f"'{number}' is not a length")
            numbers.append(int(number))
            if self.next() == ")":
                return tuple(numbers)


def parse_type(text: str) -> ColumnType:
    """Read one SQL type. Raises PipelineError that shows the text and what is wrong with it."""
    reader = _Reader(str(text))
    parsed = reader.type()
    if reader.tokens:
        rest = " ".join(reader.tokens)
        raise reader.error(f"'{rest}' follows the type")
    return parsed


def parse_schema(columns: Dict[str, str]) -> Schema:
    """Read the columns of a source, in order. Raises PipelineError."""
    return tuple((name, parse_type(text)) for name, text in columns.items())
