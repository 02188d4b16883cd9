"""Sdists and wheels of both distributions, built, installed and used without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

import bundler
from tests.support.pages import copy_checkout

pytestmark = pytest.mark.network


@dataclass(frozen=True)
class Built:
    """The files that `python -m build` made of one distribution."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("checkout") / "flink-bundler")


@pytest.fixture(scope="module", params=[".", "jobs"], ids=["flink-bundler", "flink-plugins"])
def built(request: pytest.FixtureRequest, checkout: Path, tmp_path_factory) -> Built:
    return build(checkout / request.param, tmp_path_factory.mktemp("dist"))


def build(source: Path, out: Path, *options: str) -> Built:
    """The sdist of ``source`` and, from it, the wheel; with ``--wheel`` the wheel alone."""
    run(sys.executable, "-m", "build", "--installer", "uv", "--outdir", out, *options, source)
    sdist = next(out.glob("*.tar.gz"), out)
    return Built(sdist, next(out.glob("*.whl")))


def run(*words: str | Path, cwd: Path | None = None, check: bool = True):
    """Run a command that must know nothing of this checkout."""
    finished = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if check:
        assert finished.returncode == 0, f"{finished.args}\n{finished.stdout}\n{finished.stderr}"
    return finished


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_wheel_of_the_sdist_is_the_wheel_of_the_tree(built: Built, checkout, tmp_path) -> None:
    name = built.wheel.name.split("-")[0]
    source = checkout / ("jobs" if name == "flink_plugins" else ".")
    direct = build(source, tmp_path, "--wheel")

    assert contents(direct.wheel) == contents(built.wheel)


def test_what_is_in_them(built: Built, checkout: Path) -> None:
    names = set(contents(built.wheel))
    package = "flink_plugins" if "plugins" in built.wheel.name else "bundler"
    folder = checkout / ("jobs" if package == "flink_plugins" else ".")

    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert f"{package}/py.typed" in names
    modules = {path.relative_to(folder).as_posix() for path in folder.glob(f"{package}/**/*.py")}
    assert modules <= names
    assert not any(name.startswith(("tests/", "build_images/", "jobs/")) for name in names)
    with tarfile.open(built.sdist) as archive:
        files = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml"} <= files
    if package == "bundler":
        assert {"CHANGELOG.md", "SECURITY.md", "docs/index.md", "docs/reference/api.md"} <= files


def test_the_metadata_names_license_authors_and_addresses(built: Built) -> None:
    [text] = [
        data.decode()
        for name, data in contents(built.wheel).items()
        if name.endswith(".dist-info/METADATA")
    ]
    for field in ("Author: The flink-bundler developers", "Project-URL: Source, ", "License"):
        assert f"\n{field}" in text
    run(sys.executable, "-m", "twine", "check", "--strict", built.sdist, built.wheel)


@pytest.fixture(scope="module")
def clean(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment's bin/, with both wheels and nothing of this checkout."""
    folder = tmp_path_factory.mktemp("clean")
    wheels = [
        build(checkout / source, tmp_path_factory.mktemp("wheels"), "--wheel").wheel
        for source in (".", "jobs")
    ]
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or "uv"
    run(uv, "venv", "--quiet", "--python", sys.executable, folder / "venv")
    python = folder / "venv" / "bin" / "python"
    # The container extra: without it `bundle image list` cannot ask an engine.
    run(uv, "pip", "install", "--python", python, f"{wheels[0]}[container]", wheels[1], "pytest")
    return python.parent


def test_the_commands_work_outside_of_the_checkout(clean: Path, tmp_path: Path) -> None:
    bundle = clean / "bundle"

    assert bundler.__version__ in run(bundle, "--version", cwd=tmp_path).stdout
    assert bundler.__version__ in run(clean / "flink-bundle", "--version", cwd=tmp_path).stdout
    place = run(clean / "python", "-c", "import bundler; print(bundler.__file__)", cwd=tmp_path)
    assert Path(place.stdout.strip()).is_relative_to(clean.parent)

    run(bundle, "init", "job", "--flink", "2.2.1", "--python", "3.11", cwd=tmp_path)
    assert sorted(path.name for path in (tmp_path / "job").iterdir()) == [
        "bundle.toml",
        "job.py",
        "requirements.txt",
    ]

    images = run(bundle, "image", "list", cwd=tmp_path, check=False)
    if images.returncode == 0:
        assert "manylinux2014_x86_64" in images.stdout
    else:
        assert images.returncode == 4
        assert "container engine" in images.stderr
        assert "Traceback" not in images.stderr


def test_a_new_plugin_passes_its_tests_outside_of_the_checkout(clean: Path, tmp_path) -> None:
    run(clean / "bundle", "plugin", "new", "thermometer", cwd=tmp_path)
    project = tmp_path / "thermometer"

    tests = run(clean / "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)

    assert " passed" in tests.stdout
    run(clean / "bundle", "plugin", "pack", ".", cwd=project)
    assert (project / "thermometer.zip").exists()
