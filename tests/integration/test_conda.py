"""conda bases from a real channel: packages made of a local Python, indexed by rattler, served."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytest.importorskip("rattler", reason="the conda extra is not installed")

from uv import find_uv_bin

from bundler.archive.manifest import read_venv_manifest
from bundler.base.conda import make_conda_base, pack_conda_prefix
from bundler.base.find import find_base
from bundler.base.model import Base, BaseOptions
from bundler.errors import BuildError, FetchError, ResolutionError, UsageError
from bundler.flink.job import job_bundle
from bundler.flink.local.run import run_local
from bundler.project.tables import find_project
from bundler.session import Session
from bundler.stages.make import make_bundle
from bundler.stages.request import BuildRequest
from bundler.support.cache import Cache
from bundler.support.interpreters import find_host
from bundler.support.progress import Progress
from bundler.target import Target
from tests.support.flink_support import BundleCommand
from tests.support.unpacked import contents, run_python, unpack

EXAMPLE = Path(__file__).parents[2] / "examples/conda"
PLACEHOLDER = "/opt/" + "placeholder_" * 18
GREET = f"""#!{PLACEHOLDER}/bin/python
import greet
print(greet.hello())
"""


@dataclass(frozen=True)
class File:
    data: bytes
    mode: int = stat.S_IFREG | 0o644
    placeholder: str = ""


@dataclass(frozen=True)
class Channel:
    folder: Path
    target: Target

    def environment(self, folder: Path, url: str, *dependencies: str, pip: str = "") -> Path:
        lines = ["name: job", "channels:", f"  - {url}", "dependencies:"]
        lines += [f"  - {dependency}" for dependency in dependencies]
        lines += ["  - pip:", f"    - {pip}"] if pip else []
        path = folder / "environment.yml"
        path.write_text("\n".join(lines) + "\n")
        return path


def tarball(files: Mapping[str, File]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, file in sorted(files.items()):
            info = tarfile.TarInfo(name)
            info.mode = file.mode & 0o777
            if stat.S_ISLNK(file.mode):
                info.type, info.linkname = tarfile.SYMTYPE, file.data.decode()
                tar.addfile(info)
            else:
                info.size = len(file.data)
                tar.addfile(info, io.BytesIO(file.data))
    return buffer.getvalue()


def zstd_frame(data: bytes) -> bytes:
    """A valid Zstandard frame of uncompressed blocks (RFC 8878, 3.1.1)."""
    size = 1 << 17
    blocks = [data[start : start + size] for start in range(0, len(data), size)] or [b""]
    frame = io.BytesIO()
    frame.write(b"\x28\xb5\x2f\xfd\x00\x38")
    for number, block in enumerate(blocks):
        last = number == len(blocks) - 1
        frame.write((len(block) << 3 | last).to_bytes(3, "little") + block)
    return frame.getvalue()


def make_package(
    channel: Path,
    name: str,
    version: str,
    files: Mapping[str, File],
    *,
    subdir: str = "linux-64",
    depends: tuple[str, ...] = (),
    suffix: str = ".conda",
) -> None:
    index = {
        "name": name,
        "version": version,
        "build": "0",
        "build_number": 0,
        "depends": list(depends),
        "subdir": subdir,
    }
    paths = []
    for path, file in sorted(files.items()):
        record = {
            "_path": path,
            "path_type": "softlink" if stat.S_ISLNK(file.mode) else "hardlink",
            "sha256": hashlib.sha256(file.data).hexdigest(),
            "size_in_bytes": len(file.data),
        }
        if file.placeholder:
            record |= {"prefix_placeholder": PLACEHOLDER, "file_mode": file.placeholder}
        paths.append(record)
    info = {
        "info/index.json": index,
        "info/paths.json": {"paths": paths, "paths_version": 1},
        "info/about.json": {},
    }
    if subdir == "noarch":
        index["noarch"] = "python"
        info["info/link.json"] = {"noarch": {"type": "python"}, "package_metadata_version": 1}
    metadata = {path: File(json.dumps(value).encode()) for path, value in info.items()}
    metadata["info/files"] = File("".join(f"{path}\n" for path in sorted(files)).encode())
    stem = f"{name}-{version}-0"
    folder = channel / subdir
    folder.mkdir(parents=True, exist_ok=True)
    if suffix == ".tar.bz2":
        import bz2

        (folder / f"{stem}{suffix}").write_bytes(bz2.compress(tarball({**files, **metadata})))
        return
    with zipfile.ZipFile(folder / f"{stem}{suffix}", "w") as archive:
        archive.writestr("metadata.json", '{"conda_pkg_format_version": 2}')
        archive.writestr(f"pkg-{stem}.tar.zst", zstd_frame(tarball(files)))
        archive.writestr(f"info-{stem}.tar.zst", zstd_frame(tarball(metadata)))


def host_python(cache: Cache) -> tuple[Target, Base]:
    for minor in ("3.11", "3.12", "3.10", "3.9", "3.13", "3.14"):
        target = Target("2.2.1", minor)
        if find_host(target):
            base = find_base("host", target, Session(cache))
            major, newest = base.glibc
            return replace(target, platform=f"manylinux_{major}_{newest}_x86_64"), base
    pytest.skip("no local CPython 3.9 to 3.14 to make conda packages of")


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Channel:
    """python (.conda), the libraries it needs (.tar.bz2), and a noarch package with a script."""
    if os.uname().machine != "x86_64":
        pytest.skip("the channel is made for linux-64")
    from rattler.index import index_fs

    root = tmp_path_factory.mktemp("conda")
    target, base = host_python(Cache(root / "cache"))
    files: dict[str, File] = {}
    for entry in base.entries:
        files[entry.name] = File(contents(entry), entry.mode)
    libraries = {
        name: files.pop(name)
        for name in list(files)
        if name.startswith("lib/lib") and "libpython" not in name
    }
    folder = root / "channel"
    glibc = f"__glibc >={'.'.join(map(str, base.glibc))}"
    make_package(folder, "libraries", "1.0", libraries, depends=(glibc,), suffix=".tar.bz2")
    files["lib/python3/where.txt"] = File(f"{PLACEHOLDER}/lib\n".encode(), placeholder="text")
    files["share/where.bin"] = File(
        b"\x7f\x00\x01" + f"{PLACEHOLDER}/share".encode() + b"\0" * 8, placeholder="binary"
    )
    make_package(folder, "python", base.python_version, files, depends=("libraries >=1", glibc))
    minor = target.python_minor
    greet = {
        "site-packages/greet/__init__.py": File(b"def hello():\n    return 'hello'\n"),
        "site-packages/greet-1.0.dist-info/METADATA": File(b"Name: greet\nVersion: 1.0\n"),
        "python-scripts/greet": File(GREET.encode(), stat.S_IFREG | 0o755, "text"),
    }
    make_package(folder, "greet", "1.0", greet, subdir="noarch", depends=(f"python {minor}.*",))
    asyncio.run(index_fs(folder, write_shards=False))
    return Channel(folder, target)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    handler = functools.partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def url(channel: Channel) -> Iterator[str]:
    with served(channel.folder.parent) as address:
        yield f"{address}/{channel.folder.name}"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("cache"))


class Recorded(Progress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def output(self, line: str) -> None:
        self.lines.append(line)

    def note(self, text: str) -> None:
        self.lines.append(text)


def test_an_environment_file_becomes_a_prefix_that_moves(
    channel: Channel, url: str, cache: Cache, tmp_path: Path
) -> None:
    environment = channel.environment(tmp_path, url, "greet >=1", pip="docopt==0.6.2")
    base = find_base(
        "auto", channel.target, Session(cache), options=BaseOptions(environment=environment)
    )
    assert base.kind == "conda"
    assert base.requirements == ("docopt==0.6.2",)
    assert ("greet", "1.0") in base.distributions
    assert base.fits(channel.target)
    prefix = tmp_path / "elsewhere" / "venv"
    unpack(base.entries, prefix)
    (found,) = run_python(
        prefix, base, "import sys, ssl, sqlite3, greet; print(sys.prefix, greet.__file__)"
    )
    assert found.split() == [str(prefix), str(prefix / base.site_packages / "greet/__init__.py")]


def test_no_path_of_this_machine_travels(channel: Channel, url: str, cache: Cache) -> None:
    base = make_conda_base(channel.target, Session(cache), channels=[url])
    here = str(cache.root).encode()
    assert [entry.name for entry in base.entries if here in contents(entry)] == []
    names = {entry.name for entry in base.entries}
    assert not {name for name in names if name.startswith("conda-meta/")}
    assert "bin/conda-unpack" in names


def test_conda_unpack_mends_prefixes_after_the_move(
    channel: Channel, url: str, cache: Cache, tmp_path: Path
) -> None:
    base = make_conda_base(channel.target, Session(cache), channels=[url])
    unpack(base.entries, tmp_path)
    code = "import runpy, sys; sys.path.insert(0, sys.prefix + '/bin'); sys.argv[1:] = []; "
    run_python(tmp_path, base, code + "runpy.run_path(sys.prefix + '/bin/conda-unpack', "
               "run_name='__main__')")  # fmt: skip
    assert (tmp_path / "lib/python3/where.txt").read_text() == f"{tmp_path}/lib\n"
    assert f"{tmp_path}/share".encode() in (tmp_path / "share/where.bin").read_bytes()


def test_the_lock_is_reused_offline_and_gives_the_same_bytes(
    channel: Channel, cache: Cache, tmp_path: Path
) -> None:
    lock = tmp_path / "conda.venv.lock"
    with served(channel.folder.parent) as address:
        environment = channel.environment(tmp_path, f"{address}/{channel.folder.name}", "greet")
        first = make_conda_base(channel.target, Session(cache), environment=environment, lock=lock)
    written = lock.read_bytes()
    assert b"sha256" in written
    second = make_conda_base(
        channel.target, Session(cache, offline=True), environment=environment, lock=lock
    )
    assert lock.read_bytes() == written
    assert second.entries == first.entries
    fresh = Cache(tmp_path / "fresh")
    with pytest.raises(FetchError, match=r"Not in the cache: .*\.(conda|tar\.bz2)"):
        make_conda_base(
            channel.target, Session(fresh, offline=True), environment=environment, lock=lock
        )
    with pytest.raises(FetchError, match="Not in the cache"):
        make_conda_base(channel.target, Session(fresh, offline=True), environment=environment)


def test_two_caches_give_the_same_bytes(
    channel: Channel, url: str, cache: Cache, tmp_path: Path
) -> None:
    def digest(base: Base) -> list[tuple[str, int, bytes]]:
        return [(entry.name, entry.mode, contents(entry)) for entry in base.entries]

    environment = channel.environment(tmp_path, url, "greet")
    first = make_conda_base(channel.target, Session(cache), environment=environment)
    again = make_conda_base(channel.target, Session(Cache(tmp_path / "x")), environment=environment)
    assert digest(first) == digest(again)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("add", "none of its packages matches greet"),
        ("remove", "greet is no longer required"),
        ("channel", "it was made with the channels"),
        ("python", "none of its packages matches python"),
    ],
)
def test_a_stale_lock_is_said_to_be_and_left_alone(
    channel: Channel, url: str, cache: Cache, tmp_path: Path, change: str, why: str
) -> None:
    lock, target = tmp_path / "conda.venv.lock", channel.target
    full = ("greet",)
    environment = channel.environment(tmp_path, url, *(() if change == "add" else full), "python")
    make_conda_base(target, Session(cache), environment=environment, lock=lock)
    written = lock.read_bytes()
    other = f"{url}/../other" if change == "channel" else url
    environment = channel.environment(
        tmp_path, other, *(() if change == "remove" else full), "python"
    )
    if change == "python":
        target = replace(target, python=f"{target.python_minor}.0")
    with pytest.raises(ResolutionError, match="is stale") as caught:
        make_conda_base(target, Session(cache), environment=environment, lock=lock)
    assert why in str(caught.value)
    assert lock.read_bytes() == written


def test_a_stale_lock_may_be_passed_over_or_renewed(
    channel: Channel, url: str, cache: Cache, tmp_path: Path
) -> None:
    lock = tmp_path / "conda.venv.lock"
    environment = channel.environment(tmp_path, url, "python")
    make_conda_base(channel.target, Session(cache), environment=environment, lock=lock)
    written = lock.read_bytes()
    environment = channel.environment(tmp_path, url, "greet")
    said = Recorded()
    base = make_conda_base(
        channel.target, Session(cache, said), environment=environment, lock=lock, policy="fit"
    )
    assert ("greet", "1.0") in base.distributions
    assert "is stale" in said.lines[0]
    assert lock.read_bytes() == written
    make_conda_base(
        channel.target, Session(cache, said), environment=environment, lock=lock, policy="renew"
    )
    assert lock.read_bytes() != written
    again = make_conda_base(
        channel.target, Session(cache, said), environment=environment, lock=lock
    )
    assert again.entries == base.entries


def test_a_broken_lock_is_named(channel: Channel, cache: Cache, tmp_path: Path) -> None:
    lock = tmp_path / "conda.venv.lock"
    lock.write_text("version: [")
    with pytest.raises(UsageError, match=r"conda\.venv\.lock is not a lock"):
        make_conda_base(channel.target, Session(cache), lock=lock)


def test_channel_names_are_completed_by_the_alias(
    channel: Channel, url: str, cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alias, name = url.rsplit("/", 1)
    monkeypatch.setenv("CONDARC", str(tmp_path / ".condarc"))
    (tmp_path / ".condarc").write_text(f"channel_alias: {alias}\n")
    from_file = make_conda_base(channel.target, Session(cache), channels=[name])
    monkeypatch.setenv("CONDA_CHANNEL_ALIAS", alias)
    (tmp_path / ".condarc").write_text("channel_alias: http://127.0.0.1:9\n")
    assert make_conda_base(channel.target, Session(cache), channels=[name]) == from_file


def test_unsolvable_says_why(channel: Channel, url: str, cache: Cache, tmp_path: Path) -> None:
    progress = Recorded()
    environment = channel.environment(tmp_path, url, "greet >=9")
    with pytest.raises(ResolutionError, match="no solution") as caught:
        make_conda_base(channel.target, Session(cache, progress), environment=environment)
    assert "greet" in caught.value.expected
    assert any("greet" in line for line in progress.lines)
    assert str(caught.value).count("\n") == 2


def test_packages_for_a_newer_glibc_are_no_solution(
    channel: Channel, url: str, cache: Cache
) -> None:
    old = replace(channel.target, platform="manylinux2014_x86_64")
    with pytest.raises(ResolutionError, match="no solution") as caught:
        make_conda_base(old, Session(cache), channels=[url])
    assert "__glibc" in caught.value.expected


def test_a_channel_that_does_not_answer_is_named(channel: Channel, cache: Cache) -> None:
    with served(channel.folder) as address:
        pass
    with pytest.raises(FetchError, match="channel could not be read") as caught:
        make_conda_base(channel.target, Session(cache), channels=[f"{address}/gone"])
    assert f"{address}/gone" in str(caught.value)
    assert "CONDA_CHANNEL_ALIAS" in caught.value.remedy


def test_a_package_with_other_bytes_than_the_lock_is_refused(
    channel: Channel, cache: Cache, tmp_path: Path
) -> None:
    from rattler.index import index_fs

    folder, lock = tmp_path / "changing", tmp_path / "conda.venv.lock"
    data = {"site-packages/once.py": File(b"x = 1\n")}
    for subdir in ("linux-64", "noarch"):
        (folder / subdir).mkdir(parents=True)
        for package in (channel.folder / subdir).glob("*-*.*"):
            os.link(package, folder / subdir / package.name)
    make_package(folder, "once", "1.0", data, subdir="noarch", depends=("python",))
    asyncio.run(index_fs(folder, write_shards=False))
    with served(tmp_path) as address:
        environment = channel.environment(tmp_path, f"{address}/changing", "once")
        make_conda_base(channel.target, Session(cache), environment=environment, lock=lock)
        data["site-packages/once.py"] = File(b"x = 2\n")
        make_package(folder, "once", "1.0", data, subdir="noarch", depends=("python",))
        fresh = Cache(tmp_path / "fresh")
        with pytest.raises((FetchError, BuildError), match="could not be installed"):
            make_conda_base(channel.target, Session(fresh), environment=environment, lock=lock)


@pytest.fixture(scope="module")
def existing(channel: Channel, url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment as micromamba makes it, with one more package put there by pip."""
    import rattler

    root = tmp_path_factory.mktemp("existing")

    async def create() -> None:
        major, newest = channel.target.glibc
        glibc = rattler.GenericVirtualPackage(
            rattler.PackageName("__glibc"),
            rattler.Version(f"{major}.{newest}"),
            rattler.BuildString("0"),
        )
        records = await rattler.solve(
            sources=[url],
            specs=["greet"],
            platforms=["linux-64", "noarch"],
            virtual_packages=[glibc],
        )
        await rattler.install(records, root / "env", cache_dir=root / "pkgs", show_progress=False)

    asyncio.run(create())
    packages = root / "env/lib" / f"python{channel.target.python_minor}" / "site-packages"
    (packages / "by_pip.py").write_text("here = __file__\n")
    info = packages / "by_pip-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: by-pip\nVersion: 2.0\n")
    return root / "env"


def test_an_existing_environment_is_packed(
    channel: Channel, existing: Path, cache: Cache, tmp_path: Path
) -> None:
    base = find_base(
        "conda", channel.target, Session(cache), options=BaseOptions(from_prefix=existing)
    )
    assert {("greet", "1.0"), ("by-pip", "2.0")} <= set(base.distributions)
    unpack(base.entries, tmp_path / "moved")
    (found,) = run_python(
        tmp_path / "moved", base, "import greet, by_pip; print(greet.hello(), by_pip.here)"
    )
    assert found.split() == ["hello", str(tmp_path / "moved" / base.site_packages / "by_pip.py")]


def test_an_environment_with_lost_files_is_refused(
    channel: Channel, existing: Path, cache: Cache, tmp_path: Path
) -> None:
    copy = tmp_path / "env"
    shutil.copytree(existing, copy, symlinks=True)
    minor = channel.target.python_minor
    (copy / f"lib/python{minor}/site-packages/greet/__init__.py").unlink()
    with pytest.raises(BuildError, match="conda-pack refused") as caught:
        pack_conda_prefix(copy, channel.target, Session(cache))
    assert "greet" in str(caught.value)


def test_a_folder_that_is_no_environment_is_refused(
    channel: Channel, existing: Path, cache: Cache, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="no conda-meta"):
        pack_conda_prefix(tmp_path, channel.target, Session(cache))
    with pytest.raises(UsageError, match=r"does not have Python 3\.7"):
        pack_conda_prefix(existing, Target.parse(python="3.7"), Session(cache))
    arm = replace(channel.target, platform="manylinux_2_28_aarch64")
    with pytest.raises(UsageError, match="is for x86_64"):
        pack_conda_prefix(existing, arm, Session(cache))


def test_an_unpacked_symlink_is_relative(channel: Channel, url: str, cache: Cache) -> None:
    base = make_conda_base(channel.target, Session(cache), channels=[url])
    links = [entry for entry in base.entries if entry.is_symlink]
    assert {entry.name for entry in links} >= {"bin/python", "bin/python3"}
    assert not [entry for entry in links if contents(entry).startswith(b"/")]


@pytest.fixture(scope="module")
def forge(channel: Channel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The alias of a channel named conda-forge, with the package that the example asks for."""
    from rattler.index import index_fs

    root = tmp_path_factory.mktemp("alias")
    shutil.copytree(channel.folder, root / "conda-forge", copy_function=os.link)
    target = channel.target
    finished = subprocess.run(
        [find_uv_bin(), "pip", "install", "--quiet", "--only-binary", ":all:", "--no-deps",
         "--python-version", target.python_minor, "--python-platform", target.uv_platform,
         "--target", root / "wheel", "ujson>=5"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    files = {
        f"lib/python{target.python_minor}/site-packages/{path.relative_to(root / 'wheel')}": File(
            path.read_bytes()
        )
        for path in sorted((root / "wheel").rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }
    (info,) = (root / "wheel").glob("ujson-*.dist-info")
    version = info.name.removesuffix(".dist-info").split("-")[1]
    depends = (f"python {target.python_minor}.*",)
    make_package(root / "conda-forge", "ujson", version, files, depends=depends)
    asyncio.run(index_fs(root / "conda-forge", write_shards=False, force=True))
    with served(root) as address:
        yield address


@pytest.mark.network
def test_a_portable_plugin_brings_its_environment_into_venv_zip(
    channel: Channel, url: str, bundle_command: BundleCommand, tmp_path: Path
) -> None:
    environment = channel.environment(tmp_path, url, "greet")
    descriptor = {
        "language": "python",
        "executable": "run.py",
        "virtualEnvType": "conda",
        "env": "job",
        "functions": ["hello"],
    }
    with zipfile.ZipFile(tmp_path / "hello.zip", "w") as archive:
        archive.writestr("hello.json", json.dumps(descriptor))
        archive.writestr("run.py", "")
        archive.write(environment, "environment.yml")
    environment.unlink()
    target = channel.target

    bundle_command(
        "venv", "--plugin", "hello.zip", "--flink", target.flink, "--python", target.python_minor,
        "--platform", target.platform, "--no-check",
        cwd=tmp_path,
    )  # fmt: skip

    manifest = read_venv_manifest(tmp_path / "venv.zip")
    assert manifest.base == "conda"
    assert manifest.packages["greet"] == "1.0"


@pytest.mark.flink
@pytest.mark.network
def test_the_example_runs_on_flink(
    channel: Channel, forge: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_CHANNEL_ALIAS", forge)
    target = channel.target
    if target.python_minor not in target.line.pythons:
        pytest.skip(f"Flink {target.flink} has no wheel for the local Python {target.python}")
    shutil.copytree(EXAMPLE, tmp_path / "example")
    project = find_project(tmp_path / "example", required=True).overridden(
        target={
            "flink": target.flink,
            "python": target.python_minor,
            "platform": target.platform,
        }
    )
    said = Recorded()
    request = BuildRequest(project, Session(Cache.default(), said), "keep", check=False)
    made = make_bundle(request, tmp_path / "dist")
    [venv] = made.archives
    lock = (tmp_path / "example/conda.venv.lock").read_bytes()
    assert b"/conda-forge/linux-64/ujson-" in lock
    # conda has installed it: the index must not bring another.
    assert "ujson" in venv.packages
    assert b'name = "ujson"' not in (tmp_path / "example/pylock.venv.toml").read_bytes()

    said.lines.clear()
    result = run_local(
        job_bundle(made.bundle, project), Session(Cache.default(), said), timeout=120
    )
    assert result.state == "FINISHED"
    rows = [line for line in said.lines if "+I[" in line]
    totals = sorted(int(row.split("[")[1].split(",")[0]) for row in rows)
    assert totals == [2, 3, 4, 5, 6]
    minor = target.python_minor
    for row in rows:
        _, interpreter, library = row.split("[")[1].split("]")[0].split(", ")
        unpacked = interpreter.removesuffix(f"venv.zip/venv/bin/python{minor}")
        assert unpacked != interpreter
        assert not Path(unpacked).is_relative_to(tmp_path / "dist")
        assert library.startswith(f"{unpacked}venv.zip/venv/lib/python{minor}/site-packages/ujson")
        assert library.endswith(".so")
