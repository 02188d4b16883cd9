"""venv.zip for Flink 2.2.1: this tool, the vendor's recipe, and venv-pack.

The recipe copies a Python, installs PyFlink with pip and zips the folder; venv-pack packs a virtual
environment with the same packages, whose interpreter stays on the build machine. All read the same
wheels from this disk.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from bundler.lock.pylock import read_lock
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.support.interpreters import find_host
from bundler.target import Target
from bundler.wheels.obtain import obtain_wheels
from bundler.wheels.published import fetch_release
from tests.benchmarks.harness import BUNDLE, Competitor, Skipped, Table, measure, need, scratch

FLINK = "2.2.1"
THIS = "bundle venv"


def run(runs: int) -> Table:
    need("zip", "cp", "sh")
    target = Target.parse(flink=FLINK, python=f"{sys.version_info[0]}.{sys.version_info[1]}")
    host = find_host(target)
    if host is None:
        raise Skipped(f"there is no Python {target.python_minor} to copy")
    prefix, name = host.interpreter.prefix, host.interpreter.executable.name
    with scratch("venv") as folder:
        project, wheels = _prepared(folder, target)
        pinned = project / "pinned.txt"
        pinned.write_text("".join(f"./{path.name}\n" for path in sorted(wheels.iterdir())))
        copy, environment = folder / "venv", folder / "environment"
        install = f"-m pip install --quiet --no-deps --no-index -r {pinned}"
        packer = _venv_pack(folder)
        subprocess.run(
            ["sh", "-ec", f"{prefix}/bin/{name} -m venv {environment}; "
             f"{environment}/bin/python {install}"],
            cwd=wheels, check=True,
        )  # fmt: skip

        def clean() -> None:
            shutil.rmtree(copy, ignore_errors=True)

        made = {word: folder / f"{word}.zip" for word in ("this", "strong", "recipe", "packed")}
        bundle = [BUNDLE, "venv", "--quiet", "--offline", "--no-check"]
        recipe = (
            f"cp -a {prefix} {copy}; {copy}/bin/{name} {install}; "
            f"cd {folder}; zip -qr {made['recipe']} venv"
        )
        rows = measure(
            [
                Competitor(THIS, [*bundle, "-o", made["this"]], made["this"], cwd=project),
                Competitor(
                    f"{THIS} --slim all",
                    [*bundle, "--slim", "all", "-o", made["strong"]],
                    made["strong"],
                    cwd=project,
                ),
                Competitor(
                    "copy + pip install + zip -r",
                    ["sh", "-ec", recipe],
                    made["recipe"],
                    clean,
                    cwd=wheels,
                ),
                Competitor(
                    "venv-pack of a ready environment",
                    [packer, "-q", "-p", environment, "-o", made["packed"]],
                    made["packed"],
                ),
            ],
            runs,
        )
        kept = folder.parent
        for word in ("this", "recipe"):
            made[word].replace(kept / f"venv-{word}.zip")
    return Table(f"venv.zip for Flink {FLINK}, Python {target.python_minor}", rows, THIS)


def _prepared(folder: Path, target: Target) -> tuple[Path, Path]:
    """A project with its lock and a warm cache, and a folder with the wheels that pip is given."""
    project, wheels = folder / "project", folder / "wheels"
    project.mkdir()
    wheels.mkdir()
    (project / "bundle.toml").write_text(
        f'[target]\nflink = "{target.flink}"\npython = "{target.python}"\n[venv]\nbase = "host"\n'
    )
    for command in (["lock"], ["venv", "--no-check"]):
        subprocess.run([BUNDLE, *command, "--quiet"], cwd=project, check=True)
    cache = Cache.default()
    paths = [
        wheel.path
        for wheel in obtain_wheels(
            read_lock(project / "pylock.venv.toml"), target, Session(cache, offline=True)
        )
    ]
    for path in [*paths, fetch_release("apache-flink-libraries", target.flink, Session(cache))]:
        (wheels / path.name).symlink_to(path)
    return project, wheels


def _venv_pack(folder: Path) -> Path:
    tools = folder / "tools"
    subprocess.run([sys.executable, "-m", "venv", tools], check=True)
    subprocess.run([tools / "bin" / "pip", "install", "--quiet", "venv-pack", "setuptools<81"],
                   check=True)  # fmt: skip
    return tools / "bin" / "venv-pack"
