"""URLs that come from outside: parsed before another tool or a connection gets them."""

from __future__ import annotations

import re
from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from bundler.errors import UsageError

FILE_SCHEMES = ("http", "https", "file")
_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\{}\u2028\u2029]")
_LONGEST = 4096


def parse_url(url: str, what: str, schemes: Collection[str] = FILE_SCHEMES) -> SplitResult:
    """The parts of ``url``; ``what`` ("an index") is for messages.

    Raises UsageError unless it is a URL of one of ``schemes`` with a host (``file`` with a path),
    without white space and control characters, of at most 4,096 characters. Host and path do not
    start with a dash: git and ssh would take them for options.
    """
    fault = _fault(url, schemes)
    if fault is not None:
        raise UsageError(
            f"{url[:200]!r} is not a URL for {what}: {fault}.",
            f"Expected a URL that starts with {', '.join(f'{one}://' for one in schemes)}.",
            "Quote special characters (%20 for a space), or change the URL.",
        )
    return urlsplit(url)


def _fault(url: str, schemes: Collection[str]) -> str | None:
    if len(url) > _LONGEST:
        return f"it has {len(url):,} characters"
    if unsafe := _UNSAFE.search(url):
        return f"it holds {unsafe[0]!r}"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in schemes:
        return f"its scheme is {parts.scheme!r}" if parts.scheme else "it has no scheme"
    is_file = parts.scheme.endswith("file")
    if not is_file and not parts.hostname:
        return "it has no host"
    if is_file and not parts.path.startswith("/"):
        return "it has no absolute path"
    if (parts.hostname or "").startswith("-") or parts.path.startswith("-"):
        return "its host or path starts with a dash"
    return None
