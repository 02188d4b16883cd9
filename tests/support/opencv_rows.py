"""Reading and judging what the opencv example prints."""

from __future__ import annotations

import re
from collections.abc import Iterable

_ROW = re.compile(r"\+I\[(\d+), (\d+), ([^,]+), ([^,]+), ([^,]+), ([^,\]]+)\]")


def assert_right(lines: Iterable[str], python: str) -> None:
    """All eight rows are there and right, computed with nothing but what the archives hold."""
    rows = sorted(match.groups() for line in lines if (match := _ROW.search(line)))
    assert [row[0] for row in rows] == [str(n) for n in range(1, 9)]
    for squares, counted, mark, interpreter, library, data in rows:
        n = int(squares)
        assert counted == squares
        assert mark == f"X {7 * n} Y {60 + 5 * n}!"
        unpacked, _, within = interpreter.partition("/venv.zip/")
        assert re.search(r"/python-dist-[0-9a-f-]{36}/python-archives$", unpacked)
        assert within == f"venv/bin/python{python}"
        root = unpacked.removesuffix("/python-archives")
        # As an archive it lies in deps.zip/; as a file of python.files in files/<blob>/deps/.
        assert re.fullmatch(
            re.escape(root) + r"/(python-archives/deps\.zip|python-files/[^/]+/deps)"
            r"/cv2/__init__\.py",
            library,
        )
        assert data == f"{unpacked}/models.zip/models/mark.pgm"
