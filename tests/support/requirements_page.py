"""docs/reference/requirements.md: options and variables, as bundler/lock/ has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bundler.lock.inherited import VARIABLES
from bundler.lock.line_options import LINE_OPTIONS

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "requirements.md"
_BEFORE = """# Requirements files

The format is [pip's](https://pip.pypa.io/en/stable/reference/requirements-file-format/): one
requirement on each line, comments after `#`, `\\` at the end of a line that continues, and
`${NAME}` for an environment variable. A file is UTF-8 text, or has a byte order mark or a coding
comment that names another encoding.

A requirement is a name with versions, extras and markers (`pandas[excel]>=2; python_version <
"3.12"`), a URL, a repository (`git+https://...@tag`), or the path of a wheel, a source distribution
or a folder.

Every option of the format is honored or refused by name. Nothing is ignored silently.

## Options in the file

| option | what becomes of it |
| --- | --- |
"""
_BETWEEN = """
## Variables and pip's configuration

They apply to every resolution. pip's configuration files count as the `PIP_` variables do.

| variable | what becomes of it |
| --- | --- |
"""
_AFTER = """
Indexes, find-links, proxies and certificates come from pip's and uv's settings too:
`PIP_INDEX_URL`, `UV_INDEX_URL`, `HTTPS_PROXY`, `SSL_CERT_FILE` and so on.
"""


def requirements_page() -> str:
    """The whole page."""
    return (
        _BEFORE + "\n".join(_options()) + "\n" + _BETWEEN + "\n".join(_variables()) + "\n" + _AFTER
    )


def _options() -> Iterator[str]:
    for option in LINE_OPTIONS:
        yield f"| {_names(option.flags)} | {_fate(option.meaning, option.refused)} |"


def _variables() -> Iterator[str]:
    for variable in VARIABLES:
        yield f"| {_names(variable.names)} | {_fate(variable.meaning, variable.refused)} |"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _fate(meaning: str, refused: str) -> str:
    return f"refused: {refused[0].lower()}{refused[1:]}" if refused else meaning


if __name__ == "__main__":
    PAGE.write_text(requirements_page(), encoding="utf-8")
