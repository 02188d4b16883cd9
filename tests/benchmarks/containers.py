"""Containers: a warm build against the vendor's recipe, ccache, and imports of split wheels.

Every competitor is a whole command. The recipe is the one that services' pages give: `docker run`
on the same image, `pip install --target`, `zip -r`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bundler.containers.container_options import ContainerOptions
from bundler.containers.engine import engine
from bundler.containers.image_build import build_image
from bundler.containers.images import list_images
from bundler.errors import BuildError
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.support.interpreters import find_host
from bundler.target import Target
from bundler.wheelhouse.factory import WheelBuildOptions, build_wheels
from tests.benchmarks.harness import (
    BUNDLE,
    ROOT,
    Competitor,
    Measured,
    Skipped,
    Table,
    measure,
    need,
    scratch,
)

PACKAGES = ("crcmod==1.7", "numpy==1.26.4", "pandas==2.1.4")
COMPILED = "crcmod"
PYTHON = "3.11"
VOLUME = "flink-bundler-bench-ccache"
EXAMPLE = ROOT / "examples" / "extension"

THIS = "bundle deps --builder container"
RECIPE = "docker run, pip install, zip -r"
SPLICE = "bundle deps, wheels built"
ZIPPED = "zip -r of the same files"
COLD, WARM = "bundle wheel, ccache empty", "bundle wheel, ccache warm"
IMPORTS = 12
WHOLE, FIRST, SECOND = "import, unsplit", "first import, split", "second import, split"
HERE = {THIS, SPLICE, ZIPPED}
"""Whose work is done by the measured process and its children, so that their memory is seen."""

_BUILD = """
set -e
/opt/python/cp311-cp311/bin/python -m pip install -q --target __pypackages__ -r requirements.txt
cd __pypackages__ && zip -qr deps.zip . && mv deps.zip ../ && cd .. && rm -rf __pypackages__
"""


def run(runs: int) -> Table:
    need("docker", "zip", "unzip")
    cache = Cache.default()
    try:
        image = _image(cache)
    except BuildError as error:
        raise Skipped(str(error).replace("\n", " ")) from error
    host = find_host(Target.parse(python=PYTHON))
    if host is None:
        raise Skipped(f"no Python {PYTHON} is on this machine")
    with scratch("containers") as folder:
        try:
            rows = tuple(
                row if row.name in HERE else replace(row, peak=0)
                for row in (
                    *_deps(folder, image, runs),
                    *_factory(folder, image, min(runs, 3)),
                    *_imports(folder, image, cache, host.interpreter.executable, runs),
                )
            )
        finally:
            _remove_volume()
    return Table(
        "Builds in a container",
        rows,
        THIS,
        (
            f"{os.cpu_count()} CPUs. The image is there, and so are the wheels and the built sdist "
            f"in the cache; {', '.join(PACKAGES)}, of which {COMPILED} is compiled.",
            "Peak memory is shown where the work is done by the measured process: what runs in a "
            "container is not its child, and an import needs less than the harness that starts it.",
            "Ratios of this project's claims: "
            + ", ".join(
                f"{one} / {other} = {_median(rows, one) / _median(rows, other):.2f}"
                for one, other in (
                    (RECIPE, THIS),
                    (ZIPPED, SPLICE),
                    (WARM, COLD),
                    (FIRST, WHOLE),
                    (SECOND, WHOLE),
                )
            ),
        ),
    )


def _image(cache: Cache) -> str:
    """The debian image as it is, whatever Pythons it has, or a new one."""
    there = next(state for state in list_images() if state.name == "debian")
    return there.reference if there.id else build_image("debian", Session(cache)).reference


def _median(rows: tuple[Measured, ...], name: str) -> float:
    return next(row.median for row in rows if row.name == name)


def _deps(folder: Path, image: str, runs: int) -> tuple[Measured, ...]:
    project, recipe = folder / "project", folder / "recipe"
    project.mkdir()
    recipe.mkdir()
    packages = ", ".join(f'"{name}"' for name in PACKAGES)
    (project / "bundle.toml").write_text(
        f'[target]\npython = "{PYTHON}"\n[deps]\npackages = [{packages}]\n'
        f'[build]\nbuilder = "container"\nimage = "{image}"\n'
    )
    bundle = [BUNDLE, "deps", "--quiet", "--no-check"]
    subprocess.run([BUNDLE, "lock", "--quiet"], cwd=project, check=True)
    subprocess.run(bundle, cwd=project, check=True)
    (recipe / "requirements.txt").write_text("\n".join(PACKAGES) + "\n")
    (recipe / "build.sh").write_text(_BUILD)
    settings = recipe / "settings"
    settings.mkdir()
    authority = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    passed = ["-e", "PIP_ROOT_USER_ACTION=ignore", "-e", "PIP_INDEX_URL"]
    if authority:
        shutil.copy(authority, settings / "ca.pem")
        passed += ["-e", "PIP_CERT=/build/settings/ca.pem"]
    unpacked = folder / "unpacked"
    shutil.unpack_archive(project / "deps.zip", unpacked)
    made, zipped = project / "deps.zip", folder / "zipped.zip"
    return measure(
        [
            Competitor(THIS, bundle, made, cwd=project),
            Competitor(
                RECIPE,
                ["docker", "run", "--rm", *passed, "-v", f"{recipe}:/build", "-w", "/build", image,
                 "bash", "build.sh"],
                recipe / "deps.zip",
            ),
            Competitor(
                SPLICE, [*bundle, "--offline", "-o", folder / "spliced.zip"],
                folder / "spliced.zip", cwd=project,
            ),
            Competitor(ZIPPED, ["zip", "-qr", zipped, "."], zipped, cwd=unpacked),
        ],
        runs,
    )  # fmt: skip


def _factory(folder: Path, image: str, runs: int) -> tuple[Measured, ...]:
    program = (
        "import sys; from pathlib import Path\n"
        "from bundler.containers.container_options import ContainerOptions\n"
        "from bundler.wheelhouse.factory import WheelBuildOptions, build_wheels\n"
        "from bundler.session import Session\n"
        "container = ContainerOptions(image=sys.argv[1], environment={'TERRAIN_KERNELS': '3000'})\n"
        "options = WheelBuildOptions(container=container, pythons=('3.11',), ccache=sys.argv[2])\n"
        "build_wheels(Path(sys.argv[3]), Path(sys.argv[4]), Session.default(), options)\n"
    )

    def command(volume: str) -> list[str | Path]:
        return [sys.executable, "-c", program, image, volume, EXAMPLE, folder / "wheels"]

    warm, cold = f"{VOLUME}-warm", f"{VOLUME}-cold"
    return measure(
        [
            Competitor(COLD, command(cold), before=lambda: _remove_volume(cold)),
            Competitor(WARM, command(warm)),
        ],
        runs,
    )


def _imports(
    folder: Path, image: str, cache: Cache, python: Path, runs: int
) -> tuple[Measured, ...]:
    sites = {}
    for name, limit in (("whole", None), ("split", 20_000_000)):
        options = WheelBuildOptions(
            container=ContainerOptions(
                image=image, environment={"TERRAIN_KERNELS": "50", "TERRAIN_SIZE": str(64 << 20)}
            ),
            pythons=(PYTHON,),
            max_size=limit,
            ccache=f"{VOLUME}-warm",
        )
        (made,) = build_wheels(EXAMPLE, folder / name, Session(cache), options=options)
        sites[name] = folder / f"{name}-site"
        for wheel in (made.wheel, *made.libraries):
            shutil.unpack_archive(wheel, sites[name], "zip")
    joined = folder / "joined"

    def competitor(name: str, site: str, before: Callable[[], None] = lambda: None) -> Competitor:
        return Competitor(
            name,
            [python, "-c", "import terrain; terrain.at(1)"],
            before=before,
            env={
                "PYTHONPATH": str(sites["whole" if site == "whole" else "split"]),
                "TERRAIN_CACHE": str(joined / site),
                "PYTHONPYCACHEPREFIX": str(folder / "bytecode"),
            },
        )

    return measure(
        [
            competitor(WHOLE, "whole"),
            competitor(FIRST, "first", lambda: shutil.rmtree(joined / "first", ignore_errors=True)),
            competitor(SECOND, "second"),
        ],
        # Each takes some hundredths of a second: many short turns, not few long ones.
        runs * IMPORTS,
    )


def _remove_volume(name: str = VOLUME) -> None:
    with engine() as client:
        for found in client.volumes.list(filters={"name": name}):
            found.remove(force=True)
