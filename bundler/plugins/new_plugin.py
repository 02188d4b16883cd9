"""A new plugin project from a template."""

from __future__ import annotations

import re
from pathlib import Path

from bundler.errors import UsageError


def new_plugin(name: str, folder: Path) -> list[Path]:
    """Write a plugin project that passes its own tests to ``folder``; returns its files.

    Raises UsageError if ``name`` is not a Python name in lower case or ``folder`` exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(
            f"'{name}' cannot name a plugin.",
            "Expected lower-case letters, digits and '_', a letter first: it becomes a module.",
            "Choose another name.",
        )
    if folder.exists():
        raise UsageError(
            f"{folder} exists.",
            "Expected a folder that does not exist yet.",
            "Choose another with -o.",
        )
    title = "".join(part.capitalize() for part in name.split("_"))
    template = Path(__file__).with_name("template")
    written = []
    for source in sorted(template.rglob("*.txt")):
        relative = source.relative_to(template).as_posix().removesuffix(".txt")
        target = folder / relative.replace("NAME", name)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        target.write_text(text.replace("@NAME@", name).replace("@TITLE@", title), encoding="utf-8")
        written.append(target)
    return written
