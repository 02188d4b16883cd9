"""deps.zip of four large packages: this tool, the recipes, and copying the wheels as the limit.

All read the same wheels from this disk and resolve nothing, which favours the recipes: they are
usually given names and look them up.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bundler.lock.pylock import read_lock
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.target import Target
from bundler.wheels.obtain import obtain_wheels
from tests.benchmarks.harness import BUNDLE, Competitor, Table, measure, need, scratch

PACKAGES = ("opencv-python-headless", "pandas", "scikit-learn", "pyarrow")
THIS = "bundle deps"
LIMIT = "cat of the wheels"


def run(runs: int) -> Table:
    need("zip", "cat", "sh")
    with scratch("deps") as folder:
        project, wheels = _prepared(folder)
        pinned = project / "pinned.txt"
        pinned.write_text("".join(f"./{path.name}\n" for path in sorted(wheels.iterdir())))
        target = folder / "target"

        def clean() -> None:
            shutil.rmtree(target, ignore_errors=True)

        def recipe(name: str, install: str) -> Competitor:
            made = folder / f"{name.split()[0]}.zip"
            options = f"--quiet --no-deps --no-index --target {target} -r {pinned}"
            script = f"{install} {options} && cd {target} && zip -qr {made} ."
            return Competitor(name, ["sh", "-ec", script], made, clean, cwd=wheels)

        python = sys.executable
        uv = Path(python).parent / "uv"
        bundle = [BUNDLE, "deps", "--quiet", "--offline"]
        made, checked, joined = (folder / name for name in ("deps.zip", "checked.zip", "cat.out"))
        rows = measure(
            [
                Competitor(THIS, [*bundle, "--no-check", "-o", made], made, cwd=project),
                Competitor(
                    f"{THIS}, imports checked", [*bundle, "-o", checked], checked, cwd=project
                ),
                Competitor(LIMIT, ["sh", "-c", f"cat {wheels}/* > {joined}"], joined),
                recipe("uv pip install + zip -r", f"{uv} pip install --python {python}"),
                recipe("pip install + zip -r", f"{python} -m pip install"),
            ],
            runs,
        )
    return Table(
        f"deps.zip: {', '.join(PACKAGES)}",
        rows,
        LIMIT,
        (f"{os.cpu_count()} CPUs, wheels and caches warm, {len(PACKAGES)} packages and theirs.",),
    )


def _prepared(folder: Path) -> tuple[Path, Path]:
    """A project with its lock and a warm cache, and a folder with the wheels of the lock."""
    project, wheels = folder / "project", folder / "wheels"
    project.mkdir()
    wheels.mkdir()
    minor = f"{sys.version_info.major}.{sys.version_info.minor}"
    packages = ", ".join(f'"{name}"' for name in PACKAGES)
    (project / "bundle.toml").write_text(
        f'[target]\npython = "{minor}"\n[deps]\npackages = [{packages}]\n'
    )
    for command in (["lock"], ["deps", "--no-check"]):
        subprocess.run([BUNDLE, *command, "--quiet"], cwd=project, check=True)
    lock = read_lock(project / "pylock.deps.toml")
    target = Target.parse(python=minor)
    for wheel in obtain_wheels(lock, target, Session(Cache.default(), offline=True)):
        (wheels / wheel.path.name).symlink_to(wheel.path)
    return project, wheels
