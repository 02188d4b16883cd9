"""python-build-standalone, downloaded by uv: it needs glibc 2.17 and runs from any folder."""

from __future__ import annotations

import os
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.base.installed import make_installed_base
from bundler.base.model import Base
from bundler.base.store import NewBase, keep, key_of, load
from bundler.errors import BuildError
from bundler.session import Session
from bundler.support.files import whole_file
from bundler.support.interpreters import Interpreter
from bundler.support.uv import run_uv

if TYPE_CHECKING:
    from bundler.support.cache import Cache
    from bundler.target import Target

_REMEMBERED_SECONDS = 3600
_DOWNLOAD_SECONDS = 1800.0


def cached_standalone(target: Target, cache: Cache) -> Base | None:
    """The standalone base for ``target`` if an earlier run downloaded it."""
    return load(cache, _identity(target), "standalone", "standalone Python, from the cache")


def obtain_standalone_base(target: Target, session: Session) -> Base:
    """The standalone base for ``target``, downloaded by ``uv python install`` if need be.

    uv takes its mirror (UV_PYTHON_INSTALL_MIRROR), its list of downloads
    (UV_PYTHON_DOWNLOADS_JSON_URL), proxies and certificates from the environment and the user's
    uv.toml, and checks the hash. Raises BuildError when there is no such download or it fails;
    `recent_failure` then tells of it for an hour.
    """
    request = f"cpython-{target.python}-linux-{target.architecture}-gnu"

    def make(staging: Path) -> NewBase:
        if session.offline:
            raise _failed(
                target, "It is not in the cache, and with --offline nothing is downloaded."
            )
        folder = staging / "installed"
        with session.progress.task(f"Downloading {request}"):
            finished = run_uv(
                ["python", "install", "--no-bin", "--install-dir", folder, request],
                cwd=staging,
                env={"UV_PYTHON_DOWNLOADS": "automatic", "NO_COLOR": "1"},
                timeout=_DOWNLOAD_SECONDS,
            )
        if finished.returncode:
            error = _failed(target, _cause(finished.stderr))
            _remember(target, session.cache, error.expected)
            raise error
        python = _installed(folder, target)
        made = make_installed_base(
            python, "standalone", target, staging / "changed", session.progress
        )
        return replace(made, sources=())

    base = keep(session, _identity(target), "standalone", "standalone Python", make)
    _failure_file(target, session.cache).unlink(missing_ok=True)
    return base


def recent_failure(target: Target, cache: Cache) -> str | None:
    """Why a download for ``target`` failed within the last hour; None if none did."""
    path = _failure_file(target, cache)
    try:
        age = time.time() - path.stat().st_mtime
        return path.read_text(encoding="utf-8") if 0 <= age < _REMEMBERED_SECONDS else None
    except OSError:
        return None


def _identity(target: Target) -> str:
    return key_of("standalone", target.python, target.architecture)


def _failure_file(target: Target, cache: Cache) -> Path:
    # Another mirror is another try.
    source = [
        os.environ.get(name, "")
        for name in ("UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS_JSON_URL")
    ]
    return cache.path("base", key_of("failure", target.python, target.architecture, source), "why")


def _remember(target: Target, cache: Cache, cause: str) -> None:
    with whole_file(_failure_file(target, cache)) as path:
        path.write_text(cause, encoding="utf-8")


def _failed(target: Target, cause: str) -> BuildError:
    return BuildError(
        f"Standalone Python {target.python} for {target.architecture} could not be installed.",
        cause,
        "Set UV_PYTHON_INSTALL_MIRROR to a mirror you can reach, or use a Python of this "
        "machine with --base host.",
    )


def _cause(stderr: str) -> str:
    """The innermost cause of uv's error, which it prints last, on one line."""
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    causes = [line for line in lines if line.startswith(("error:", "cause:", "Caused by:"))]
    shown = [causes[0], causes[-1]] if len(causes) > 1 else causes or lines[-1:]
    cleaned = [re.sub(r"^(error|cause|Caused by):\s*", "", line) for line in shown]
    return "uv: " + ": ".join(cleaned) if cleaned else "uv printed nothing."


def _installed(folder: Path, target: Target) -> Interpreter:
    for path in sorted(folder.glob("cpython-*")):
        match = re.match(r"cpython-(\d+\.\d+\.\d+)", path.name)
        if match and not path.is_symlink():
            minor = target.python_minor
            executable = (path / "bin" / f"python{minor}").resolve()
            return Interpreter(path, executable, path / "lib" / f"python{minor}", match[1])
    raise _failed(target, "uv reported success but installed nothing.")
