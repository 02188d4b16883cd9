from __future__ import annotations

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bundler.archive.wheel_rules import check_wheel
from bundler.containers.container_options import ContainerOptions
from bundler.containers.engine import engine
from bundler.containers.in_image import resolve_for_interpreter
from bundler.elf.info import read_elf
from bundler.errors import BuildError, FetchError, VerificationError
from bundler.lock.pylock import read_lock
from bundler.lock.requirements import read_requirements
from bundler.lock.resolve import Problem
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.support.progress import Progress, Task
from bundler.target import Target
from bundler.wheels.in_container import build_in_container
from tests.support.compiled import c_source
from tests.support.docker_engine import PLATFORM, containers, debian_image, need_engine
from tests.support.serving import make_wheel, serve

pytestmark = pytest.mark.docker

TARGET = Target.parse(python="3.11", platform="manylinux2014_x86_64")
NEW = Target.parse(python="3.11", platform=PLATFORM)


class Heard(Progress):
    """What a person would see."""

    def __init__(self) -> None:
        self.described: list[str] = []
        self.lines: list[str] = []

    @contextmanager
    def task(self, text: str, total: int | None = None, unit: str = "") -> Iterator[Task]:
        heard = self

        class Described(Task):
            def describe(self, text: str) -> None:
                heard.described.append(text)

        yield Described()

    def output(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture(scope="session")
def image(cache: Cache) -> str:
    need_engine()
    return debian_image(cache)


@pytest.fixture
def own_cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    need_engine()
    before = set(containers())
    yield
    assert set(containers()) == before


def offline(image: str, **more: object) -> ContainerOptions:
    return ContainerOptions(image=image, network="none", **more)  # type: ignore[arg-type]


def test_a_compiled_wheel_is_repaired_belongs_to_the_user_and_imports(
    image: str, own_cache: Cache, tmp_path: Path
) -> None:
    heard = Heard()
    (wheel,) = build_in_container(
        [c_source(tmp_path, "plain")], TARGET, Session(own_cache, heard), offline(image)
    )
    assert "manylinux2014_x86_64" in wheel.name
    assert wheel.name.startswith("plain-1.0-cp311-cp311-")
    assert wheel.stat().st_uid == os.getuid()
    assert any("gcc" in text for text in heard.described)
    (log,) = (own_cache.root / "logs").iterdir()
    assert "-shared -fPIC" in log.read_text()


def test_the_second_build_is_a_cache_hit_and_another_option_is_not(
    image: str, own_cache: Cache, tmp_path: Path
) -> None:
    source = c_source(tmp_path, "kept")
    first = build_in_container([source], TARGET, Session(own_cache), options=offline(image))
    logs = own_cache.root / "logs"
    assert build_in_container([source], TARGET, Session(own_cache), options=offline(image)) == first
    assert len(list(logs.iterdir())) == 1
    build_in_container(
        [source], TARGET, Session(own_cache), options=offline(image, environment={"CFLAGS": "-O1"})
    )
    assert len(list(logs.iterdir())) == 2


def test_no_folder_of_the_image_stays_in_a_wheel(
    image: str, own_cache: Cache, tmp_path: Path
) -> None:
    foreign = "/opt/_internal/somewhere/lib"
    source = c_source(tmp_path, "placed", flags=f"-Wl,-rpath,{foreign}")
    (wheel,) = build_in_container([source], TARGET, Session(own_cache), options=offline(image))
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".so"))
        data = archive.read(name)
    info = read_elf(data)
    assert info is not None
    assert info.runpath == ()
    assert foreign.encode() not in data
    check_wheel(wheel)


def test_a_source_tree_before_build_and_environment(
    image: str, own_cache: Cache, tmp_path: Path
) -> None:
    source = c_source(tmp_path, "tree", "return PyLong_FromLong(ANSWER);", before="#include <a.h>")
    shutil.unpack_archive(source.path, tmp_path / "unpacked", filter="data")
    tree = type(source)("tree", None, tmp_path / "unpacked" / "tree-1.0", "0" * 64)
    options = offline(
        image,
        before_build=('echo "#define ANSWER $NUMBER" > /usr/include/a.h',),
        environment={"NUMBER": "7"},
    )
    (wheel,) = build_in_container([tree], TARGET, Session(own_cache), options=options)
    target = tmp_path / "site"
    shutil.unpack_archive(wheel, target, "zip")
    python = shutil.which("python3.11")
    said = subprocess.check_output(
        [python or sys.executable, "-c", "import tree; print(tree.answer())"], cwd=target
    )
    assert said.strip() == b"7"


def test_a_failed_build_shows_its_last_lines_and_where_the_log_is(
    image: str, own_cache: Cache, tmp_path: Path
) -> None:
    heard = Heard()
    source = c_source(tmp_path, "broken", before="#include <nowhere.h>")
    with pytest.raises(BuildError, match=r"broken 1\.0 did not build") as caught:
        build_in_container([source], TARGET, Session(own_cache, heard), offline(image))
    assert "nowhere.h: No such file" in caught.value.expected
    log = Path(caught.value.remedy.rpartition(" ")[2])
    assert heard.lines == [line for line in log.read_text().splitlines() if line][-15:]
    assert not list(own_cache.root.glob("built/**/*.whl"))


def test_a_symbol_newer_than_the_tag_is_refused_by_file_symbol_and_version(
    image: str, own_cache: Cache, tmp_path: Path
) -> None:
    source = c_source(
        tmp_path, "fresh", "return PyLong_FromLong(arc4random());", before="#include <stdlib.h>"
    )
    with pytest.raises(VerificationError) as caught:
        build_in_container([source], TARGET, Session(own_cache), options=offline(image))
    for part in ("fresh.cpython-311-x86_64-linux-gnu.so", "arc4random", "GLIBC_2.36"):
        assert part in caught.value.found
    assert "GLIBC_2.17" in caught.value.expected
    (wheel,) = build_in_container([source], NEW, Session(own_cache), options=offline(image))
    assert PLATFORM in wheel.name


def test_a_library_of_the_image_is_grafted(image: str, own_cache: Cache, tmp_path: Path) -> None:
    source = c_source(
        tmp_path,
        "grafted",
        "return PyLong_FromLong(sqlite3_libversion_number());",
        before="int sqlite3_libversion_number(void);",
        flags="-l:libsqlite3.so.0",
    )
    (wheel,) = build_in_container([source], NEW, Session(own_cache), options=offline(image))
    names = " ".join(zipfile.ZipFile(wheel).namelist())
    assert "grafted.libs/libsqlite3" in names


def test_an_image_without_the_python_names_those_it_has(
    image: str, own_cache: Cache, tmp_path: Path
) -> None:
    target = Target.parse(python="3.7", platform="manylinux2014_x86_64")
    with pytest.raises(BuildError, match=r"cp37-cp37m") as caught:
        build_in_container(
            [c_source(tmp_path, "old")], target, Session(own_cache), options=offline(image)
        )
    assert "cp311-cp311" in caught.value.expected


def test_an_image_of_another_architecture_is_refused(
    image: str, own_cache: Cache, tmp_path: Path
) -> None:
    target = Target.parse(python="3.11", platform="manylinux_2_28_aarch64")
    with pytest.raises(BuildError, match="is for x86_64") as caught:
        build_in_container(
            [c_source(tmp_path, "arm")], target, Session(own_cache), options=offline(image)
        )
    assert "aarch64" in caught.value.expected


def test_an_unknown_network_is_named(image: str, own_cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="no network 'nosuchnet'"):
        build_in_container(
            [c_source(tmp_path, "lost")],
            TARGET,
            Session(own_cache),
            options=ContainerOptions(image=image, network="nosuchnet"),
        )


def test_an_image_that_is_nowhere(own_cache: Cache, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="could not be pulled") as caught:
        build_in_container(
            [c_source(tmp_path, "none")],
            TARGET,
            Session(own_cache),
            options=ContainerOptions(image="localhost:1/nothing:here"),
        )
    assert "bundle image build" in caught.value.remedy


def test_no_engine(own_cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(BuildError, match="No container engine answers") as caught:
        build_in_container(
            [c_source(tmp_path, "none")], TARGET, Session(own_cache), ContainerOptions()
        )
    assert "DOCKER_HOST" in caught.value.remedy


def test_an_engine_that_fails_on_the_way() -> None:
    failed = r"The container engine at \S+ failed: No such container"
    with pytest.raises(BuildError, match=failed), engine() as client:
        client.api.inspect_container("nosuch")


@pytest.mark.skipif(os.getuid() != 0, reason="becomes another user, which takes root")
def test_a_user_without_permission() -> None:
    script = (
        "import os, docker, docker.transport, encodings.idna\n"
        "from bundler.containers.engine import engine\n"
        "from bundler.errors import BuildError\n"
        # After the imports: the other user need not be able to read this environment.
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try:\n    engine().__enter__()\n"
        "except BuildError as error:\n    print(error)\n"
    )
    said = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert "You do not have permission to use" in said
    assert "docker group" in said


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_no_container(
    image: str, tmp_path: Path, number: signal.Signals
) -> None:
    source = c_source(tmp_path, "slow", before="#include <nowhere.h>")
    script = (
        "import signal, sys\n"
        "from pathlib import Path\n"
        "from bundler.wheels.in_container import *\n"
        "from bundler.wheels.sources import Source\n"
        "from bundler.session import Session\n"
        "from bundler.session import Session\n"
        "from bundler.support.cache import Cache\n"
        "from bundler.target import Target\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))\n"
        f"source = Source('slow', '1.0', Path({str(source.path)!r}), '1' * 64)\n"
        f"options = ContainerOptions(image={image!r}, network='none', "
        "before_build=('echo up; sleep 600',))\n"
        "target = Target.parse(python='3.11', platform='manylinux2014_x86_64')\n"
        f"build_in_container([source], target, Session(Cache(Path({str(tmp_path)!r}, 'c'))), "
        "options=options)\n"
    )
    before = set(containers())
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    logs = tmp_path / "c" / "logs"
    while not any("\nup\n" in log.read_text() for log in logs.glob("*")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert set(containers()) - before
    process.send_signal(number)
    assert process.wait(30) != 0


def test_index_settings_credentials_and_certificates_reach_the_build(
    image: str, own_cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = c_source(tmp_path, "needy")
    shutil.unpack_archive(source.path, tmp_path / "unpacked", filter="data")
    tree = tmp_path / "unpacked" / "needy-1.0"
    project = tree / "pyproject.toml"
    project.write_text(project.read_text().replace("requires = []", 'requires = ["privately"]'))
    authority = tmp_path / "ca.pem"
    authority.write_text("an authority of our own")
    backend = tree / "backend.py"
    backend.write_text(
        "import privately, os\n"
        "assert open(os.environ['SSL_CERT_FILE']).read() == 'an authority of our own'\n"
        + backend.read_text()
    )
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    with serve(tmp_path / "index") as index:
        make_wheel(index.folder, "privately")
        index.password = ("me", "secret")
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
        (tmp_path / "netrc").chmod(0o600)
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        monkeypatch.setenv("PIP_INDEX_URL", f"{index.url}/simple/")
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        (wheel,) = build_in_container(
            [type(source)("needy", "1.0", tree, "2" * 64)],
            TARGET,
            Session(own_cache),
            options=ContainerOptions(image=image, network="host"),
        )
        assert any("privately" in path for path in index.requests)
    assert wheel.name.startswith("needy-1.0-cp311")


@contextmanager
def dated_index(folder: Path, uploaded: dict[str, str]) -> Iterator[str]:
    """An index of one project that says when each file of ``folder`` was uploaded (PEP 700)."""

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if "/files/" in self.path:
                self.path = self.path.replace("/files/", "/")
                return super().do_GET()
            name = self.path.strip("/").rpartition("/")[2]
            files = [
                {"filename": file, "url": f"/files/{file}", "hashes": {}, "upload-time": time_}
                for file, time_ in uploaded.items()
            ]
            answer = {"meta": {"api-version": "1.1"}, "name": name, "files": files, "versions": []}
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return None

        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple/"
        server.shutdown()


def test_build_tools_are_not_newer_than_the_lock(
    image: str, own_cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = c_source(tmp_path, "dated")
    shutil.unpack_archive(source.path, tmp_path / "unpacked", filter="data")
    tree = tmp_path / "unpacked" / "dated-1.0"
    project = tree / "pyproject.toml"
    project.write_text(project.read_text().replace("requires = []", 'requires = ["tool"]'))
    backend = tree / "backend.py"
    backend.write_text("import tool\nprint('built by', tool.version)\n" + backend.read_text())
    old = make_wheel(tmp_path / "files", "tool", "1.0").name
    new = make_wheel(tmp_path / "files", "tool", "2.0").name
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    uploaded = {old: "2024-01-01T00:00:00Z", new: "2025-01-01T00:00:00Z"}
    with dated_index(tmp_path / "files", uploaded) as url:
        monkeypatch.setenv("PIP_INDEX_URL", url)
        for created, tool in (("2024-06-01T00:00:00Z", "1.0"), (None, "2.0")):
            locked = type(source)("dated", "1.0", tree, "3" * 64, created)
            options = ContainerOptions(image=image, network="host")
            build_in_container([locked], TARGET, Session(own_cache), options=options)
            log = max((own_cache.root / "logs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
            assert f"built by {tool}" in log.read_text()


@pytest.mark.network
def test_metadata_that_only_the_targets_python_tells(
    image: str,
    cache: Cache,
    own_cache: Cache,
    bundle_command: object,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An sdist that names its dependency only to the interpreter in the image."""
    source = c_source(tmp_path / "unpacked", "dynamic")
    shutil.unpack_archive(source.path, tmp_path / "unpacked", filter="data")
    tree = tmp_path / "unpacked" / "dynamic-1.0"
    project = tree / "pyproject.toml"
    project.write_text(
        project.read_text().replace(
            'version = "1.0"', 'version = "1.0"\ndynamic = ["dependencies"]'
        )
    )
    (tree / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: dynamic\nVersion: 1.0\n")
    backend = tree / "backend.py"
    backend.write_text(
        backend.read_text()
        + "\nif not os.path.exists('/opt/python'): raise SystemExit('only in the image')\n"
        + "with open('PKG-INFO', 'a') as info: info.write('Requires-Dist: six==1.16.0\\n')\n"
    )
    with serve(tmp_path / "index") as index:
        with tarfile.open(index.folder / "dynamic-1.0.tar.gz", "w:gz") as packed:
            packed.add(tree, "dynamic-1.0")
        monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{index.url}/simple/")
        monkeypatch.setenv("PIP_TRUSTED_HOST", "127.0.0.1")
        (tmp_path / "more.txt").write_text("crcmod<2\n")
        wanted = tmp_path / "requirements.in"
        wanted.write_text("-r more.txt\ndynamic\n")
        options = ContainerOptions(image=image, network="host")
        question = Problem(read_requirements([wanted]), constraints=("crcmod==1.7",))
        lock = resolve_for_interpreter(question, TARGET, tmp_path, Session(cache), options=options)
        (tmp_path / "bundle.toml").write_text(
            '[target]\npython = "3.11"\n[deps]\nrequirements = ["requirements.in"]\n'
            f'[build]\nimage = "{image}"\nnetwork = "host"\n'
        )
        finished = bundle_command("lock", cwd=tmp_path)  # type: ignore[operator]
        assert "Resolving in the target's image" in finished.stderr
        assert set(read_lock(tmp_path / "pylock.deps.toml").versions) == set(lock.versions)
    assert lock.versions == {"crcmod": "1.7", "dynamic": "1.0", "six": "1.16.0"}
    assert lock.differences(question.inputs(TARGET)) == []
    picked = {str(package.name): file for package, file in lock.select(TARGET)}
    assert picked["six"].hashes["sha256"]  # type: ignore[union-attr]


@pytest.mark.network
def test_deps_with_a_package_that_needs_a_compiler_and_a_system_package(
    image: str, cache: Cache, bundle_command: object, tmp_path: Path
) -> None:
    (tmp_path / "bundle.toml").write_text(
        '[target]\npython = "3.11"\n'
        '[deps]\npackages = ["crcmod==1.7"]\n'
        f'[build]\nbuilder = "container"\nimage = "{image}"\n'
        'system-packages = ["hello"]\nbefore-build = ["hello"]\n'
    )
    bundle_command("lock", cwd=tmp_path)  # type: ignore[operator]
    bundle_command("deps", cwd=tmp_path)  # type: ignore[operator]
    made = (tmp_path / "deps.zip").read_bytes()
    listing = " ".join(zipfile.ZipFile(tmp_path / "deps.zip").namelist())
    assert "_crcfunext.cpython-311-x86_64-linux-gnu.so" in listing
    # From the lock and the cache, with neither network nor engine.
    nothing = {
        "DOCKER_HOST": f"unix://{tmp_path}/none.sock",
        "PIP_INDEX_URL": "http://127.0.0.1:1/simple/",
    }
    (tmp_path / "deps.zip").unlink()
    bundle_command("deps", "--offline", cwd=tmp_path, env=nothing)  # type: ignore[operator]
    assert (tmp_path / "deps.zip").read_bytes() == made
    refused = bundle_command("deps", cwd=tmp_path, env=nothing, check=False)  # type: ignore[operator]
    assert "No container engine answers" in refused.stderr


def test_offline_nothing_is_built(image: str, own_cache: Cache, tmp_path: Path) -> None:
    source = c_source(tmp_path, "unbuilt")
    with pytest.raises(FetchError, match="Not in the cache: the image"):
        build_in_container(
            [source], TARGET, Session(own_cache, offline=True), options=offline(image)
        )
    other = c_source(tmp_path, "built")
    build_in_container([other], TARGET, Session(own_cache), options=offline(image))
    with pytest.raises(FetchError, match=r"unbuilt 1\.0, built in \S*debian:latest"):
        build_in_container(
            [source, other], TARGET, Session(own_cache, offline=True), options=offline(image)
        )
