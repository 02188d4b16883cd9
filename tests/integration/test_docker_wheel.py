from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bundler.containers.container_options import ContainerOptions
from bundler.containers.engine import engine
from bundler.containers.sandbox import sandbox
from bundler.errors import BuildError, FetchError, UsageError, VerificationError
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.support.interpreters import find_host
from bundler.target import Target
from bundler.wheelhouse.factory import BuiltWheel, WheelBuildOptions, build_wheels
from bundler.wheelhouse.publish import publish
from bundler.wheelhouse.repository import Repository
from tests.support.docker_engine import FREE_THREADED, debian_image, need_engine

pytestmark = pytest.mark.docker

BundleCommand = Callable[..., "subprocess.CompletedProcess[str]"]

EXAMPLE = Path(__file__).parents[2] / "examples" / "extension"
TEST = "python {project}/tests/check.py"
LIMIT = 2_500_000
# A volume of the tests' own: what a person compiled before must not make a second build of ours.
VOLUME = "flink-bundler-test-ccache"


@pytest.fixture(scope="session")
def image(cache: Cache) -> str:
    need_engine()
    return debian_image(cache)


@pytest.fixture(scope="session")
def volume(image: str) -> Iterator[str]:
    def remove() -> None:
        with engine() as client:
            for found in client.volumes.list(filters={"name": VOLUME}):
                found.remove(force=True)

    remove()
    yield VOLUME
    remove()


def options(image: str, volume: str | None, **more: object) -> WheelBuildOptions:
    environment = {"TERRAIN_KERNELS": "200", **more.pop("environment", {})}  # type: ignore[dict-item]
    return WheelBuildOptions(
        container=ContainerOptions(image=image, environment=environment),
        platform="manylinux2014_x86_64",
        ccache=volume,
        **more,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="session")
def whole(
    image: str, volume: str, cache: Cache, tmp_path_factory: pytest.TempPathFactory
) -> list[BuiltWheel]:
    """The example, built for every Python of the image."""
    out = tmp_path_factory.mktemp("whole")
    return build_wheels(EXAMPLE, out, Session(cache), options=options(image, volume, test=TEST))


@pytest.fixture(scope="session")
def parts(
    image: str,
    volume: str,
    whole: list[BuiltWheel],
    cache: Cache,
    tmp_path_factory: pytest.TempPathFactory,
) -> list[BuiltWheel]:
    """The same in parts: a second build, with the compilers' results of the first."""
    out = tmp_path_factory.mktemp("parts")
    chosen = options(image, volume, test=TEST, max_size=LIMIT)
    return build_wheels(EXAMPLE, out, Session(cache), options=chosen)


@pytest.mark.network
def test_a_wheel_for_every_python_of_the_image(whole: list[BuiltWheel]) -> None:
    pythons = [item.pythons for item in whole]
    assert ("3.11",) in pythons
    assert (FREE_THREADED,) in pythons
    minors = [int(row[0].removesuffix("t").partition(".")[2]) for row in pythons]
    assert minors == sorted(minors)
    for item in whole:
        assert item.tested == item.pythons
        assert item.libraries == ()
        assert "manylinux2014_x86_64" in item.wheel.name
        assert item.wheel.stat().st_uid == os.getuid()
        names = zipfile.ZipFile(item.wheel).namelist()
        assert any(name.startswith("terrain.libs/libheights-") for name in names)


@pytest.mark.network
def test_a_second_build_compiles_nothing(whole: list[BuiltWheel], parts: list[BuiltWheel]) -> None:
    assert sum(item.misses for item in whole) > 0
    for item in parts:
        assert (item.hits, item.misses) == (3, 0)


@pytest.mark.network
def test_parts_are_under_the_limit_and_shared_between_pythons(parts: list[BuiltWheel]) -> None:
    libraries = {item.libraries for item in parts}
    assert len(libraries) == 1
    (shared,) = libraries
    assert len(shared) == 3
    for path in (*shared, *(item.wheel for item in parts)):
        assert path.stat().st_size <= LIMIT
    assert all("-py3-none-manylinux2014_x86_64" in path.name for path in shared)
    for item in parts:
        assert item.tested == item.pythons


@pytest.mark.network
def test_a_split_wheel_installs_with_pip_and_finds_its_library_beside_it(
    parts: list[BuiltWheel], tmp_path: Path
) -> None:
    chosen = next(item for item in parts if item.pythons == ("3.11",))
    found = find_host(Target.parse(python="3.11"))
    assert found is not None
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "--version"], check=True, stdout=subprocess.DEVNULL
    )
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "-q", "--no-index", "--target", site,
            "--python-version", "3.11", "--only-binary=:all:", "--platform",
            "manylinux2014_x86_64", "--find-links", chosen.wheel.parent, chosen.wheel,
        ],
        check=True,
    )  # fmt: skip
    code = (
        "import terrain, re; print(terrain.size());"
        "print(*[row.split()[-1] for row in open('/proc/self/maps') if 'libheights' in row][:1])"
    )
    said = subprocess.check_output(
        [found.interpreter.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(site), "TERRAIN_CACHE": str(tmp_path / "cache")},
        text=True,
    ).split()
    assert said[0] == str(6 << 20)
    assert said[1].startswith(str(tmp_path / "cache"))


@pytest.mark.network
def test_the_stable_abi_is_built_once_and_tested_with_all(
    image: str, whole: list[BuiltWheel], bundle_command: BundleCommand, tmp_path: Path
) -> None:
    finished = bundle_command(
        "wheel", "build", EXAMPLE, "--image", image, "--env", "TERRAIN_ABI3=1",
        "--env", "TERRAIN_KERNELS=9", "--no-ccache", "--test", TEST,
        "--output", tmp_path / "out", "--json",
    )  # fmt: skip
    stable, own = json.loads(finished.stdout)["wheels"]
    assert {stable["file"], own["file"]} == {str(path) for path in (tmp_path / "out").iterdir()}
    assert "-cp38-abi3-manylinux2014_x86_64" in stable["file"]
    assert (
        stable["tested"]
        == stable["pythons"]
        == [item.pythons[0] for item in whole if item.pythons != (FREE_THREADED,)]
    )
    # The ABI of free-threaded Pythons is not that stable one.
    assert own["tested"] == own["pythons"] == [FREE_THREADED]


@pytest.mark.network
def test_an_extension_that_leaves_the_stable_abi_is_refused_by_file_symbol_and_version(
    image: str, cache: Cache, tmp_path: Path
) -> None:
    tree = tmp_path / "terrain"
    shutil.copytree(EXAMPLE, tree)
    code = tree / "src" / "terrain" / "_native.c"
    code.write_text(
        code.read_text()
        .replace("#include <Python.h>", "#undef Py_LIMITED_API\n#include <Python.h>")
        .replace("PyLong_FromLong(heights_size())", "PyUnicode_New(heights_size() % 7, 127)")
    )
    environment = {"TERRAIN_ABI3": "1", "TERRAIN_KERNELS": "1"}
    chosen = options(image, None, pythons=("3.11",), environment=environment)
    with pytest.raises(VerificationError, match="which is not in the stable ABI") as caught:
        build_wheels(tree, tmp_path / "out", Session(cache), options=chosen)
    assert "terrain/_native.abi3.so imports PyUnicode_New" in caught.value.found
    assert "every CPython from 3.8 on" in caught.value.expected
    assert not (tmp_path / "out").exists()


@pytest.mark.network
@pytest.mark.parametrize("mode", ["processes", "threads", "crash"])
def test_the_first_import_in_a_free_threaded_python(
    image: str, parts: list[BuiltWheel], tmp_path: Path, mode: str
) -> None:
    chosen = next(item for item in parts if item.pythons == (FREE_THREADED,))
    site = tmp_path / "site"
    for wheel in (chosen.wheel, *chosen.libraries):
        shutil.unpack_archive(wheel, site, "zip")
    with engine() as client, sandbox(client, client.images.get(image), network="none") as box:
        box.put(site, "/site")
        box.put(Path(__file__).parents[1] / "support/import_at_once.py", "/import_at_once.py")
        said = box.read(
            ["/opt/python/cp313-cp313t/bin/python", "/import_at_once.py", mode],
            {"PYTHONPATH": "/site"},
        )
    assert said == "passed"


def test_the_table_of_images(image: str, bundle_command: BundleCommand) -> None:
    rows = bundle_command("image", "list").stdout.splitlines()
    assert rows[0].split() == ["name", "size", "built", "image"]
    debian = next(row for row in rows if row.startswith("debian "))
    assert debian.split()[-1] == image


@pytest.mark.network
def test_a_failing_test_command_puts_nothing_out(
    image: str, volume: str, whole: list[BuiltWheel], cache: Cache, tmp_path: Path
) -> None:
    chosen = options(
        image, volume, pythons=("3.11",), test="python -c 'raise SystemError(\"unfit\")'"
    )
    out = tmp_path / "out"
    with pytest.raises(BuildError, match=r"failed its test with Python 3\.11") as caught:
        build_wheels(EXAMPLE, out, Session(cache), options=chosen)
    assert "SystemError: unfit" in caught.value.expected
    assert not out.exists()


@pytest.mark.network
def test_a_split_wheel_goes_into_deps_zip_and_imports_from_there(
    parts: list[BuiltWheel], bundle_command: BundleCommand, tmp_path: Path
) -> None:
    wheelhouse = next(item for item in parts if item.pythons == ("3.11",)).wheel.parent
    (tmp_path / "bundle.toml").write_text(
        '[target]\npython = "3.11"\n[deps]\npackages = ["terrain"]\n'
    )
    # Stripped as far as can be; the command fails if terrain does not import from the archive.
    bundle_command(
        "deps", "--slim", "all", cwd=tmp_path,
        env={"PIP_FIND_LINKS": str(wheelhouse), "PIP_NO_INDEX": "1"},
    )  # fmt: skip
    found = find_host(Target.parse(python="3.11"))
    assert found is not None
    shutil.unpack_archive(tmp_path / "deps.zip", tmp_path / "unpacked")
    said = subprocess.check_output(
        [found.interpreter.executable, "-c", "import terrain; print(terrain.size())"],
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path / "unpacked"),
            "TERRAIN_CACHE": str(tmp_path / "joined"),
        },
        text=True,
    )
    assert said == f"{6 << 20}\n"
    assert list((tmp_path / "joined").rglob("libheights-*"))


def test_a_python_that_the_image_lacks(image: str, cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"has no Python 3\.14t") as caught:
        build_wheels(
            EXAMPLE, tmp_path, Session(cache), options=options(image, None, pythons=("3.14t",))
        )
    assert "3.11" in caught.value.expected


def test_a_folder_that_is_no_project(cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a Python project"):
        build_wheels(tmp_path, tmp_path / "out", Session(cache))


class Server:
    """A pypiserver with one user, on loopback."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        folder.mkdir()
        self.url = f"http://127.0.0.1:{port}/"
        password = folder.parent / f"{folder.name}.htpasswd"
        import hashlib

        digest = base64.b64encode(hashlib.sha1(b"secret").digest()).decode()
        password.write_text(f"me:{{SHA}}{digest}\n")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "pypiserver", "run", "-i", "127.0.0.1", "-p", str(port),
                "-P", password, "-a", "update", "--disable-fallback", folder,
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def wait(self) -> None:
        import urllib.request

        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(self.url, timeout=2).close()
                return
            except OSError:
                assert self.process.poll() is None, "pypiserver ended"
                assert time.monotonic() < deadline
                time.sleep(0.1)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Server, Server, Path]]:
    """A test index, a real one, and the .pypirc that names them."""
    started = [Server(tmp_path / name, free_port()) for name in ("trial", "real")]
    try:
        for server in started:
            server.wait()
        config = tmp_path / "pypirc"
        config.write_text(
            "[distutils]\nindex-servers = trial real\n"
            + "".join(
                f"[{server.folder.name}]\nrepository = {server.url}\n"
                "username = me\npassword = secret\n"
                for server in started
            )
        )
        yield started[0], started[1], config
    finally:
        for server in started:
            server.process.terminate()
            server.process.wait(10)


@pytest.mark.network
def test_publishing_first_for_trial_then_for_real_and_never_twice(
    parts: list[BuiltWheel], servers: tuple[Server, Server, Path]
) -> None:
    trial, real, config = servers
    chosen = next(item for item in parts if item.pythons == ("3.11",))
    files = [chosen.wheel, *chosen.libraries]
    first = Repository("trial", config=config)
    second = Repository("real", config=config)
    with pytest.raises(UsageError, match="has not been tested: trial does not have it"):
        publish(files, second, tested=first)
    assert not list(real.folder.iterdir())
    publish(files, first)
    assert {path.name for path in trial.folder.iterdir()} == {path.name for path in files}
    with pytest.raises(UsageError, match=r"trial already has"):
        publish(files, first)
    publish(files, second, tested=first)
    for path in files:
        assert (real.folder / path.name).read_bytes() == path.read_bytes()
    changed = real.folder.parent / "changed"
    changed.mkdir()
    shutil.copy(chosen.wheel, changed)
    with zipfile.ZipFile(changed / chosen.wheel.name, "a") as archive:
        archive.writestr("terrain/more.txt", "other bytes")
    (real.folder / chosen.wheel.name).unlink()
    with pytest.raises(UsageError, match="has other bytes under that name"):
        publish([changed / chosen.wheel.name], second, tested=first)


@pytest.mark.network
def test_publishing_with_a_wrong_password_or_to_nowhere(
    parts: list[BuiltWheel], servers: tuple[Server, Server, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, _, config = servers
    files = [parts[0].wheel]
    monkeypatch.setenv("TWINE_PASSWORD", "wrong")
    monkeypatch.setenv("TWINE_USERNAME", "me")
    with pytest.raises(BuildError, match="403"):
        publish(files, Repository(trial.url))
    with pytest.raises(UsageError, match="has no repository 'nosuch'"):
        publish(files, Repository("nosuch", config=config))
    with pytest.raises(FetchError, match="Could not list the files on"):
        publish(files, Repository(f"http://127.0.0.1:{free_port()}/"))
    assert not list(trial.folder.iterdir())
