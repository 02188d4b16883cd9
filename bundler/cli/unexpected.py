"""The last boundary: what nobody foresaw becomes a short message and a saved report."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import bundler
from bundler.cli.report import visible
from bundler.errors import BundlerError, InternalError
from bundler.redact import HIDDEN, redact
from bundler.support.files import unforeseen
from bundler.support.process import overdue

_KEPT = 20
_LONGEST = 200_000


def told(error: Exception) -> BundlerError:
    """The error to show for whatever ended a command: nothing is a bare traceback."""
    if isinstance(error, BundlerError):
        return error
    if isinstance(error, OSError):
        return unforeseen(error)
    if isinstance(error, subprocess.TimeoutExpired):
        return overdue(error)
    return _unexpected(error)


def _unexpected(error: Exception) -> InternalError:
    """A mistake of ours: its details are saved for whoever mends it."""
    text = " ".join(str(error).split())[:200]
    found = f"Unexpected {type(error).__name__}{f': {text}' if text else ''}."
    saved = _save(_report(error))
    if saved is None:
        return InternalError(found, remedy="Report it as an issue, with the command that you ran.")
    return InternalError(found, remedy=f"Report it as an issue, with the file {saved}")


def _report(error: Exception) -> str:
    lines = [
        f"flink-bundler {bundler.__version__}, Python {platform.python_version()}, "
        f"{platform.platform()}",
        f"bundle {_words(sys.argv[1:])}",
        "",
        *traceback.format_exception(type(error), error, error.__traceback__),
    ]
    return visible(redact("\n".join(lines)[:_LONGEST]))


def _words(words: Sequence[str]) -> str:
    """The command without what may be a secret: values of KEY=VALUE, arguments of the job."""
    shown: list[str] = []
    for index, word in enumerate(words):
        if word == "--":
            return " ".join([*shown, f"-- ({len(words) - index - 1} arguments)"])
        key, equals, _ = word.partition("=")
        shown.append(shlex.quote(f"{key}={HIDDEN}" if equals else word))
    return " ".join(shown)


def _save(report: str) -> Path | None:
    """Write ``report`` into the cache, or else where temporary files go; None if neither can be."""
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for folder in (_reports, lambda: Path(tempfile.gettempdir())):
        try:
            path = folder() / f"bundle-{name}"
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:  # noqa: PTH123 (a descriptor)
                file.write(report)
            return path
        except (OSError, ImportError):
            continue
    return None


def _reports() -> Path:
    from bundler.support.cache import Cache

    folder = Cache.default().root / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    for old in sorted(folder.glob("bundle-*.txt"))[: 1 - _KEPT]:
        old.unlink(missing_ok=True)
    return folder
