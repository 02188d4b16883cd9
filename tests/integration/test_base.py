"""Bases of real interpreters, run after they moved; standalone ones from a mirror on loopback."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import pytest

from bundler.archive.glibc import elf_entries
from bundler.base.find import find_base
from bundler.base.libraries import TARGET_HAS
from bundler.errors import BuildError, UsageError, VerificationError
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.support.interpreters import find_host
from bundler.support.progress import Progress
from bundler.target import Target
from tests.support.unpacked import contents, run_python, unpack

MODULES = "bz2, ctypes, decimal, hashlib, lzma, readline, sqlite3, ssl, sys, zlib"
MINORS = ("3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
NEW_ENOUGH = "manylinux_2_99_x86_64"


def target_for(minor: str, platform: str = NEW_ENOUGH) -> Target:
    return Target("2.2.1", minor, platform)


def local_target() -> Target:
    for minor in ("3.11", "3.12", "3.10", "3.9", "3.13", "3.14"):
        if find_host(target_for(minor)):
            return target_for(minor)
    pytest.skip("no local CPython 3.9 to 3.14")


class Said(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Cache:
    return Cache(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide uv's and pyenv's Pythons, and what is on PATH."""
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path / "none"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "none"))
    monkeypatch.setenv("PATH", str(tmp_path / "none"))


@pytest.mark.parametrize("minor", MINORS)
def test_a_local_python_works_from_another_folder(minor: str, cache: Cache, tmp_path: Path) -> None:
    target = target_for(minor)
    if find_host(target) is None:
        pytest.skip(f"no local CPython {minor}")
    base = find_base("host", target, Session(cache))
    prefix = tmp_path / "elsewhere" / "venv"
    unpack(base.entries, prefix)
    loaded = "{line.split()[-1] for line in open('/proc/self/maps') if '.so' in line}"
    where, packages, libraries = run_python(
        prefix, base, f"import site, {MODULES}\nprint(sys.prefix)\n"
        f"print(site.getsitepackages())\nprint(sorted({loaded}))",
    )[:3]  # fmt: skip
    assert where == str(prefix)
    assert str(prefix / base.site_packages) in packages
    outside = [path for path in json.loads(libraries.replace("'", '"')) if where not in path]
    assert {PurePosixPath(path).name for path in outside} <= TARGET_HAS
    for link in ("bin/python", "bin/python3"):
        assert run_python(prefix, replace(base, executable=link), "print(1)")[0] == "1"

    inside = {PurePosixPath(entry.name).name for entry in base.entries}
    for name, info in elf_entries(base.entries):
        assert set(info.needed) <= inside | TARGET_HAS, name
        assert all(folder.startswith("$ORIGIN") for folder in info.runpath), name
    names = [entry.name for entry in base.entries]
    assert not [name for name in names if name.endswith((".pyc", ".a")) or "/test/" in name]
    compressed = sum(getattr(entry.content, "compressed_size", 0) for entry in base.entries)
    assert compressed < 25_000_000
    here = os.fsencode(find_host(target).interpreter.prefix) + b"/"  # type: ignore[union-attr]
    texts = [entry for entry in base.entries if entry.name.endswith(".py")]
    if here != b"/usr/":
        assert [entry.name for entry in texts if here in contents(entry)] == []


def test_nothing_but_glibc_is_taken_from_the_machine(cache: Cache, tmp_path: Path) -> None:
    """In a root file system that holds glibc, the compiler's run-time and the prefix."""
    if os.geteuid() != 0:
        pytest.skip("only root may change the root directory")
    base = find_base("host", local_target(), Session(cache))
    unpack(base.entries, tmp_path / "venv")
    listed = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True)
    for line in listed.stdout.splitlines():
        library = Path(line.split()[-1])
        if library.name in TARGET_HAS and library.is_file():
            copy = tmp_path / library.relative_to("/")
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(library, copy)
    loader = "lib64/ld-linux-x86-64.so.2"
    if Path("/", loader).exists() and not (tmp_path / loader).exists():
        (tmp_path / loader).parent.mkdir(exist_ok=True)
        shutil.copy(Path("/", loader), tmp_path / loader)
    finished = subprocess.run(
        ["chroot", tmp_path, f"/venv/{base.executable}", "-I", "-c", f"import {MODULES}"],
        capture_output=True,
        text=True,
        check=False,
        # Without /proc the loader cannot see where the program lies, and takes it from here.
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_ORIGIN_PATH": "/venv/bin"},
    )
    assert (finished.returncode, finished.stderr) == (0, "")


def test_the_systems_own_python_works(
    nothing_installed: None, cache: Cache, tmp_path: Path
) -> None:
    for minor in MINORS:
        if Path(f"/usr/bin/python{minor}").exists():
            break
    else:
        pytest.skip("no /usr/bin/python3.X")
    base = find_base("host", target_for(minor), Session(cache))
    assert "system" in base.reason
    unpack(base.entries, tmp_path / "venv")
    (tmp_path / "venv" / base.site_packages).mkdir(parents=True, exist_ok=True)
    (tmp_path / "venv" / base.site_packages / "mine.py").write_text("here = __file__\n")
    found = run_python(tmp_path / "venv", base, "import mine, ssl, sqlite3; print(mine.here)")
    assert found[0] == str(tmp_path / "venv" / base.site_packages / "mine.py")


def test_a_virtual_environment_on_path_stands_for_its_installation(
    nothing_installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", tmp_path / "env"], check=True, timeout=60
    )
    monkeypatch.setenv("PATH", str(tmp_path / "env/bin"))
    found = find_host(target_for(minor))
    assert found is not None
    assert found.source == "PATH"
    assert found.interpreter.prefix == Path(sys.base_prefix)


def test_the_patch_version_must_match_if_it_is_given() -> None:
    target = local_target()
    found = find_host(target)
    assert found is not None
    assert find_host(replace(target, python=found.interpreter.version)) is not None
    assert find_host(replace(target, python=f"{target.python_minor}.99")) is None


def test_two_caches_hold_the_same_bytes(cache: Cache, tmp_path: Path) -> None:
    target = local_target()
    find_base("host", target, Session(cache))
    find_base("host", target, Session(Cache(tmp_path)))
    digests = [
        {hashlib.sha256(path.read_bytes()).hexdigest() for path in root.rglob("base.zip")}
        for root in (cache.root, tmp_path)
    ]
    assert digests[1] <= digests[0]
    assert len(digests[1]) == 1


def test_a_damaged_cache_is_noticed(tmp_path: Path) -> None:
    target = local_target()
    before = find_base("host", target, Session(Cache(tmp_path)))
    (archive,) = tmp_path.rglob("base.zip")
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-1000])
    assert find_base("host", target, Session(Cache(tmp_path))) == before
    assert archive.read_bytes() == whole


def test_a_newer_glibc_is_a_warning_and_strictly_an_error(cache: Cache) -> None:
    target = replace(local_target(), platform="manylinux_2_5_x86_64")
    said = Said()
    base = find_base("host", target, Session(cache, said))
    assert base.glibc > (2, 5)
    (warning,) = said.warnings
    assert base.glibc_need.file in warning
    assert base.glibc_need.symbol in warning
    assert "manylinux_2_5_x86_64 promises 2.5" in warning
    with pytest.raises(VerificationError, match="needs glibc"):
        find_base("host", target, Session(cache), strict=True)
    assert find_base("host", local_target(), Session(cache), strict=True).glibc == base.glibc


def test_an_unknown_kind_lists_the_known() -> None:
    with pytest.raises(UsageError, match="Unknown base 'docker'") as caught:
        find_base("docker", target_for("3.11"), Session(Cache(Path("unused"))))
    assert "auto, standalone, host, manylinux, conda" in caught.value.expected


def test_another_architecture_is_not_on_this_machine(tmp_path: Path) -> None:
    other = "aarch64" if os.uname().machine == "x86_64" else "x86_64"
    target = target_for("3.11", f"manylinux2014_{other}")
    with pytest.raises(BuildError, match=f"No Python 3.11 for {other} is on this machine"):
        find_base("host", target, Session(Cache(tmp_path)))


@dataclass
class Mirror:
    """A list of downloads as uv reads it, and one archive laid out as python-build-standalone's."""

    version: str
    url: str
    archive: bytes
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="module")
def mirror(cache: Cache) -> Iterator[Mirror]:
    if os.uname().machine != "x86_64":
        pytest.skip("the mirror's archive is for x86_64")
    base = find_base("host", local_target(), Session(cache))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for entry in base.entries:
            info = tarfile.TarInfo(f"python/{entry.name}")
            info.mode = stat.S_IMODE(entry.mode)
            if entry.is_symlink:
                info.type, info.linkname = tarfile.SYMTYPE, contents(entry).decode()
                tar.addfile(info)
            else:
                info.size = entry.size
                tar.addfile(info, io.BytesIO(contents(entry)))
        test = tarfile.TarInfo(f"python/lib/python{local_target().python_minor}/test/big.py")
        tar.addfile(test, io.BytesIO())
    archive = buffer.getvalue()
    held: list[Mirror] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mirror = held[0]
            mirror.requests.append(self.path)
            kind, _, name = self.path.strip("/").partition("/")
            body = downloads(mirror, good=kind == "good") if name == "list.json" else mirror.archive
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        held.append(Mirror(base.python_version, f"http://127.0.0.1:{server.server_port}", archive))
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield held[0]
        server.shutdown()
        thread.join()


def downloads(mirror: Mirror, *, good: bool) -> bytes:
    major, minor, patch = (int(number) for number in mirror.version.split("."))
    kind = "good" if good else "bad"
    digest = hashlib.sha256(mirror.archive if good else b"").hexdigest()
    name = f"cpython-{mirror.version}-linux-x86_64-gnu"
    record = {
        "name": "cpython",
        "arch": {"family": "x86_64", "variant": None},
        "os": "linux",
        "libc": "gnu",
        "major": major,
        "minor": minor,
        "patch": patch,
        "prerelease": "",
        "url": f"{mirror.url}/{kind}/{name}-install_only.tar.gz",
        "sha256": digest,
        "variant": None,
        "build": "20260101",
    }
    return json.dumps({name: record}).encode()


def test_a_standalone_python_comes_from_the_mirror_once(
    mirror: Mirror, nothing_installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", f"{mirror.url}/good/list.json")
    target, own = local_target_of(mirror), Cache(tmp_path / "cache")
    with pytest.raises(BuildError, match="could not be installed") as caught:
        find_base("standalone", target, Session(own, offline=True))
    assert "--offline" in caught.value.expected
    base = find_base("standalone", target, Session(own))
    assert (base.kind, base.python_version) == ("standalone", mirror.version)
    assert not [entry.name for entry in base.entries if "/test/" in entry.name]
    unpack(base.entries, tmp_path / "venv")
    code = "import ssl, sys; print(sys.prefix)"
    assert run_python(tmp_path / "venv", base, code)[0] == str(tmp_path / "venv")
    here = str(tmp_path).encode()
    assert [entry.name for entry in base.entries if here in contents(entry)] == []

    asked = len(mirror.requests)
    said = Said()
    assert find_base("auto", target, Session(own, said)).entries == base.entries
    assert len(mirror.requests) == asked
    assert said.notes == ["Base: standalone Python, from the cache"]


def test_a_download_with_another_hash_is_refused(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", f"{mirror.url}/bad/list.json")
    target, own = local_target_of(mirror), Cache(tmp_path)
    with pytest.raises(BuildError, match="could not be installed") as caught:
        find_base("standalone", target, Session(own))
    assert "ash mismatch" in caught.value.expected
    assert "UV_PYTHON_INSTALL_MIRROR" in caught.value.remedy
    assert not list(tmp_path.rglob("base.zip"))


def test_auto_falls_back_to_this_machine_and_asks_the_mirror_once_an_hour(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", f"{mirror.url}/bad/list.json")
    target = replace(local_target_of(mirror), platform="manylinux_2_5_x86_64")
    said, own = Said(), Cache(tmp_path)
    base = find_base("auto", target, Session(own, said))
    assert base.kind == "host"
    assert "no standalone Python: uv: " in said.notes[0]
    assert len(said.warnings) == 1
    asked = len(mirror.requests)
    assert find_base("auto", target, Session(own)) == base
    assert len(mirror.requests) == asked
    for why in tmp_path.rglob("why"):
        os.utime(why, (0, 0))
    find_base("auto", target, Session(own))
    assert len(mirror.requests) > asked


def test_auto_takes_this_machines_python_if_its_glibc_fits(
    mirror: Mirror, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_PYTHON_DOWNLOADS_JSON_URL", f"{mirror.url}/good/list.json")
    asked, said = len(mirror.requests), Said()
    base = find_base("auto", local_target_of(mirror), Session(cache, said))
    assert base.kind == "host"
    assert f"its glibc fits {NEW_ENOUGH}" in said.notes[0]
    assert len(mirror.requests) == asked


def test_no_python_anywhere_is_one_error(nothing_installed: None, tmp_path: Path) -> None:
    target = target_for("3.5")
    with pytest.raises(BuildError, match=r"No Python 3\.5 for x86_64 is on this machine, and"):
        find_base("auto", target, Session(Cache(tmp_path), offline=True))


def local_target_of(mirror: Mirror) -> Target:
    return target_for(".".join(mirror.version.split(".")[:2]))
