"""The reference page of the slimming rules, written from the rules: ``make docs/reference/...``."""

from __future__ import annotations

from bundler.slim.rules import RULES

_HEAD = """\
# Slimming rules

What `bundle` leaves out of `venv.zip` and `deps.zip`. The default rules apply where nothing else is
said. `--slim NAME` (repeatable) and `slim = ["NAME"]` in `bundle.toml` replace them by those you
name, `--slim all` applies every rule, `--no-slim` (`slim = []`) keeps every file.

| rule | default | removes |
| --- | --- | --- |
"""
_TAIL = """
Rules apply to what is in site-packages. A rule keeps what another module mentions: test folders
that a package imports at run time, and libraries that others are linked against. Each package's
RECORD lists what is left, with the hashes of what was changed.
"""


def slimming_page() -> str:
    """The page as Markdown."""
    rows = (
        f"| `{rule.name}` | {'yes' if rule.default else 'no'} | {rule.description} |\n"
        for rule in RULES.values()
    )
    return _HEAD + "".join(rows) + _TAIL


if __name__ == "__main__":
    print(slimming_page(), end="")
