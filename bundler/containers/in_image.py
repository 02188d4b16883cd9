"""Requirements whose metadata only the target's interpreter can tell -> the same lock as ever."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.containers.choose import obtain_image
from bundler.containers.container_options import ContainerOptions
from bundler.containers.engine import engine
from bundler.containers.log import Log, build_log
from bundler.containers.sandbox import Sandbox, sandbox
from bundler.containers.steps import prepare, python_in, run_step
from bundler.lock.pylock import Lock
from bundler.lock.requirements import combined, read_requirements
from bundler.lock.resolve import JARS_DISTRIBUTION, Problem, pin_lines, resolve
from bundler.session import Session

if TYPE_CHECKING:
    from bundler.target import Target

_WANTED = "/bundle/requirements.in"
_BOUNDS = "/bundle/constraints.txt"


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
    text = resolve_in_container(wanted, target, folder, session, options)
    with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
        pinned = Path(scratch, "pinned.txt")
        pinned.write_text(text, encoding="utf-8")
        found = read_requirements([pinned])
    kept = tuple(each for each in found.wanted if wanted.jars or each.name != JARS_DISTRIBUTION)
    asked = replace(wanted.requirements, wanted=(), constraints=(), hashes={}, require_hashes=False)
    chosen = combined(asked, replace(found, wanted=kept))
    lock = resolve(Problem(chosen, dependencies=False, jars=wanted.jars), target, folder, session)
    return lock.answering(wanted.inputs(target))


def resolve_in_container(
    wanted: Problem,
    target: Target,
    folder: Path,
    session: Session,
    options: ContainerOptions,
) -> str:
    """Pinned and hashed requirements, solved by pip-compile with the target's own Python.

    For sdists whose metadata depend on the interpreter that builds them. Raises BuildError as
    `build_in_container` does, and if there is no solution.
    """
    bounds = (*wanted.requirements.constraint_lines(folder), *pin_lines(wanted.constraints))
    files = {_WANTED: (*wanted.requirements.all_lines(folder), f"-c {_BOUNDS}"), _BOUNDS: bounds}
    with engine() as client:
        image = obtain_image(client, options.image, target, session)
        with (
            build_log("resolve", "Resolving in a container", session) as log,
            sandbox(client, image, network=options.network) as box,
        ):
            environment = prepare(box, options, log)
            for place, lines in files.items():
                box.write(place, "".join(f"{line}\n" for line in lines).encode())
            return _pip_compile(box, target, environment, log)


def _pip_compile(
    box: Sandbox,
    target: Target,
    environment: Mapping[str, str],
    log: Log,
) -> str:
    """The output of pip-compile, run in an environment of its own."""
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
            "--output-file", out, _WANTED,
        ],
        environment,
        f"The requirements have no solution for {target.describe()} with its own Python.",
    )  # fmt: skip
    return box.read(["cat", out]) + "\n"
