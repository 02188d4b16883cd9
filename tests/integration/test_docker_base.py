from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from bundler.base.find import find_base
from bundler.base.model import BaseOptions
from bundler.errors import BuildError, FetchError
from bundler.flink.local.cluster import LocalCluster
from bundler.flink.submit import submit
from bundler.flink.values import JobBundle
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.target import Target
from tests.support.docker_engine import PLATFORM, containers, debian_image, need_engine
from tests.support.flink_support import JOBS, BundleCommand
from tests.support.unpacked import unpack

pytestmark = pytest.mark.docker

TARGET = Target.parse(flink="2.2.1", python="3.11", platform=PLATFORM)
CODE = """
import ctypes, hashlib, json, lzma, sqlite3, ssl, sys, zlib
print(sys.version.split()[0], sys.prefix, ssl.OPENSSL_VERSION.split()[0])
"""


@pytest.fixture(scope="session")
def image(cache: Cache) -> str:
    need_engine()
    return debian_image(cache)


def test_the_python_of_an_image_runs_from_another_folder(
    image: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(containers())
    cache = Cache(tmp_path / "cache")
    base = find_base("manylinux", TARGET, Session(cache), options=BaseOptions(image=image))
    assert set(containers()) == before
    assert base.kind == "manylinux"
    assert base.python_version.startswith("3.11.")
    assert base.fits(TARGET)
    names = {entry.name for entry in base.entries}
    # Libraries that only the image has come along.
    assert any(name.startswith("lib/libsqlite3.so") for name in names)
    place = tmp_path / "elsewhere"
    unpack(base.entries, place)
    said = subprocess.run(
        [place / base.executable, "-I", "-c", CODE],
        env={"PATH": "/nowhere"}, capture_output=True, text=True,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert said.stdout.split() == [base.python_version, str(place), "OpenSSL"]
    again = find_base("manylinux", TARGET, Session(cache), options=BaseOptions(image=image))
    assert [entry.name for entry in again.entries] == [entry.name for entry in base.entries]
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    named, offline = BaseOptions(image=image), Session(cache, offline=True)
    assert find_base("manylinux", TARGET, offline, options=named) == again
    other = Target.parse(python="3.8", platform=PLATFORM)
    with pytest.raises(FetchError, match=r"Not in the cache: Python \S+ of \S+"):
        find_base("manylinux", other, offline, options=named)


def test_a_glibc_newer_than_the_targets_is_seen(image: str, tmp_path: Path) -> None:
    old = Target.parse(python="3.11", platform="manylinux2014_x86_64")
    cache = Cache(tmp_path / "cache")
    base = find_base("manylinux", old, Session(cache), options=BaseOptions(image=image))
    assert not base.fits(old)


def test_a_python_that_the_image_lacks(image: str, tmp_path: Path) -> None:
    target = Target.parse(python="3.7", platform=PLATFORM)
    with pytest.raises(BuildError, match="cp37-cp37m"):
        find_base("manylinux", target, Session(Cache(tmp_path)), options=BaseOptions(image=image))


def test_another_patch_version_than_the_images(image: str, tmp_path: Path) -> None:
    target = Target.parse(python="3.11.99", platform=PLATFORM)
    with pytest.raises(BuildError, match=r"has Python 3\.11\.\d+\."):
        find_base("manylinux", target, Session(Cache(tmp_path)), options=BaseOptions(image=image))


@pytest.fixture(scope="module")
def bundle(
    image: str,
    cache: Cache,
    bundle_command: BundleCommand,
    tmp_path_factory: pytest.TempPathFactory,
) -> JobBundle:
    """A venv.zip with PyFlink on the image's Python, and a job."""
    base = find_base("manylinux", TARGET, Session(cache), options=BaseOptions(image=image))
    folder = tmp_path_factory.mktemp("manylinux")
    (folder / "bundle.toml").write_text(
        f'[target]\nflink = "{TARGET.flink}"\npython = "{base.python_version}"\n'
        f'platform = "{PLATFORM}"\n'
        f'[venv]\nbase = "manylinux"\n[build]\nimage = "{image}"\n'
    )
    # Without --no-check: every module of the venv is imported with the image's Python.
    bundle_command("venv", cwd=folder)
    return JobBundle(
        TARGET,
        "venv.zip/venv/bin/python3.11",
        venv=folder / "venv.zip",
        script=JOBS / "image_python.py",
        parallelism=1,
    )


@pytest.mark.network
def test_a_venv_with_the_python_of_an_image(bundle: JobBundle) -> None:
    assert bundle.venv is not None
    with zipfile.ZipFile(bundle.venv) as archive:
        assert "venv/bin/python3.11" in archive.namelist()


@pytest.mark.flink
@pytest.mark.network
def test_a_job_on_flink_with_the_python_of_an_image(
    bundle: JobBundle, image: str, flink_cluster: LocalCluster, cache: Cache
) -> None:
    base = find_base("manylinux", TARGET, Session(cache), options=BaseOptions(image=image))
    output = flink_cluster.taskmanager_output()
    result = submit(flink_cluster.rest_url, bundle, Session(cache), timeout=240)
    assert result.state == "FINISHED"
    (row,) = (line for line in output.rest() if line.startswith("+I["))
    python, library = row.removeprefix("+I[").removesuffix("]").split(", ")
    version, executable = python.split()
    assert version == base.python_version
    place = executable.removesuffix("/bin/python3.11")
    assert place.endswith("venv.zip/venv")
    assert library.startswith(f"{place}/lib/libsqlite3.so")
