"""docs/reference/errors.md: exit codes and kinds of errors, as bundler/errors.py has them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

from bundler import errors

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "errors.md"
_BEFORE = """# Errors and exit codes

An error has up to three parts, one a line: what was found, what was expected, and what to do next.
With `--json` it is a document on stdout:

```json
{"error": {"kind": "UsageError", "found": "...", "expected": "...", "remedy": "..."}}
```

[Troubleshooting](../troubleshooting.md) lists common errors by their text.

| exit code | meaning | kind | when |
| ---: | --- | --- | --- |
"""
_AFTER = """
Passwords and tokens in URLs, headers and variables are shown as `****`. Control characters that
come from files, servers or jobs are escaped.

An error in `bundle` itself (exit code 70) saves its details in the folder `reports` of the cache,
which keeps the last 20. The file has the version, the command without values that may be secret,
and where the error happened. Read it, then attach it to an issue.
"""


def errors_page() -> str:
    """The whole page."""
    return _BEFORE + "\n".join(_rows()) + "\n" + _AFTER


def _rows() -> Iterator[str]:
    for code, text in errors.EXIT_CODES.items():
        kinds = [kind for kind in _kinds() if kind.exit_code == code] or [None]
        for kind in kinds:
            name = f"`{kind.__name__}`" if kind else ""
            when = (inspect.getdoc(kind) or "").splitlines()[0] if kind else ""
            yield f"| {code} | {text} | {name} | {when} |".replace("``", "`")


def _kinds() -> list[type[errors.BundlerError]]:
    return [
        kind
        for kind in vars(errors).values()
        if inspect.isclass(kind) and issubclass(kind, errors.BundlerError)
    ]


if __name__ == "__main__":
    PAGE.write_text(errors_page(), encoding="utf-8")
