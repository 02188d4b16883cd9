"""Requirements whose metadata only the target's interpreter can tell -> the same lock as ever."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from bundler.containers.choose import obtain_image
from bundler.containers.engine import engine
from bundler.containers.log import Log, build_log
from bundler.containers.options import ContainerOptions
from bundler.containers.sandbox import Sandbox, sandbox
from bundler.containers.steps import prepare, python_in, run_step
from bundler.errors import UsageError
from bundler.lock.pylock import Lock, make_lock
from bundler.lock.requirements import read_requirements
from bundler.lock.resolve import JARS_DISTRIBUTION, Problem, resolve
from bundler.session import Session

if TYPE_CHECKING:
    from bundler.target import Target

_NESTED = re.compile(r"\s*(?:-r|-c|--requirement|--constraint)[ =]?\s*(\S+)")


def resolve_for_interpreter(
    wanted: Problem,
    target: Target,
    folder: Path,
    session: Session,
    options: ContainerOptions,
) -> Lock:
    """As `bundler.lock.resolve.resolve`, solved by pip-compile in the image of ``target``.

    uv then looks up the files of what was chosen, without asking for its dependencies again.
    Raises BuildError if there is no solution or no engine, ResolutionError if a file that was
    chosen is gone.
    """
    with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
        files = [file.resolve() for file in wanted.requirements.files]
        lines = [*wanted.requirements.packages]
        if wanted.constraints:
            constraints = Path(scratch, "constraints.txt")
            constraints.write_text("\n".join(wanted.constraints) + "\n", encoding="utf-8")
            lines.append(f"-c {constraints}")
        if lines:
            loose = Path(scratch, "packages.in")
            loose.write_text("\n".join(lines) + "\n", encoding="utf-8")
            files.append(loose)
        text = resolve_in_container(files, target, session, options)
        pinned = Path(scratch, "pinned.txt")
        without = () if wanted.jars else (JARS_DISTRIBUTION,)
        pinned.write_text(_without(text, without), encoding="utf-8")
        chosen = Problem(read_requirements([pinned]), dependencies=False, jars=wanted.jars)
        lock = resolve(chosen, target, folder, session)
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return make_lock(lock.pylock.packages, lock.pylock, wanted.inputs(target), now, folder)


def _without(text: str, names: tuple[str, ...]) -> str:
    """Pinned requirements less those called ``names``; hashes stand on indented lines."""
    blocks = re.split(r"(?m)^(?=\S)", text)
    kept = []
    for block in blocks:
        name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", block)
        if name is None or canonicalize_name(name[0]) not in names:
            kept.append(block)
    return "".join(kept)


def resolve_in_container(
    requirements: Sequence[Path],
    target: Target,
    session: Session,
    options: ContainerOptions,
) -> str:
    """Pinned and hashed requirements, solved by pip-compile with the target's own Python.

    For sdists whose metadata depend on the interpreter that builds them. Requirements files that
    ``requirements`` include come along. Raises BuildError as `build_in_container` does, and if
    there is no solution.
    """
    with engine() as client:
        image = obtain_image(client, options.image, target, session)
        with (
            build_log("resolve", "Resolving in a container", session) as log,
            sandbox(client, image, network=options.network) as box,
        ):
            environment = prepare(box, options, log)
            return _pip_compile(box, target, requirements, environment, log)


def _pip_compile(
    box: Sandbox,
    target: Target,
    requirements: Sequence[Path],
    environment: Mapping[str, str],
    log: Log,
) -> str:
    """The output of pip-compile, run in an environment of its own."""
    files: dict[str, str] = {}
    for path in requirements:
        _collect(path.resolve(), files)
    for place, text in files.items():
        box.write(place, text.encode())
    venv = "/bundle/pip-tools"
    run_step(
        box,
        log,
        ["sh", "-ec", '"$1" -m venv "$2" && "$2/bin/pip" install -q pip-tools wheel', "sh",
         python_in(box, target), venv],
        environment,
        "pip-tools could not be installed in the container.",
    )  # fmt: skip
    log.heading("Resolving in a container")
    out = "/bundle/requirements.txt"
    run_step(
        box,
        log,
        [
            f"{venv}/bin/python", "-m", "piptools", "compile", "--quiet", "--generate-hashes",
            "--allow-unsafe", "--no-header", "--no-annotate", "--strip-extras",
            "--no-emit-index-url", "--no-emit-trusted-host", "--no-emit-find-links",
            "--output-file", out, *(_inside(path.resolve()) for path in requirements),
        ],
        environment,
        f"The requirements have no solution for {target.describe()} with its own Python.",
    )  # fmt: skip
    return box.read(["cat", out]) + "\n"


def _inside(path: Path) -> str:
    return f"/bundle/tree{path.as_posix()}"


def _collect(path: Path, files: dict[str, str]) -> None:
    """The text of a requirements file and those it includes, by their place in the container."""
    place = _inside(path)
    if place in files:
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}",
            "Expected a requirements file in UTF-8.",
            "Check the path and the file's permissions.",
        ) from error
    files[place] = ""
    lines = []
    for line in text.splitlines():
        if nested := _NESTED.match(line):
            other = (path.parent / nested[1].strip("\"'")).resolve()
            _collect(other, files)
            line = line[: nested.start(1)] + _inside(other) + line[nested.end(1) :]
        lines.append(f"{line}\n")
    files[place] = "".join(lines)
