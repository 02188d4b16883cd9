from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys
import sysconfig
import time
import zipfile
from pathlib import Path

import pytest
from packaging.tags import sys_tags

from bundler.errors import BuildError, UsageError
from bundler.wheelhouse.split import parse_size, split_wheels

LIMIT = 64_000


def largest_extension() -> Path:
    """A real extension module to split: the largest of this Python's own."""
    folder = Path(sysconfig.get_config_var("DESTSHARED") or sysconfig.get_path("platstdlib"))
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    found = sorted(folder.glob(f"*{suffix}"), key=lambda path: path.stat().st_size)
    usable = [
        path for path in found if path.name.startswith(("unicodedata", "_decimal", "_codecs"))
    ]
    if not usable:
        pytest.skip("this Python has its extension modules built in")
    return usable[-1]


def wheel_of(folder: Path, extension: Path, init: str = "", *, version: str = "1.0") -> Path:
    tag = next(tag for tag in sys_tags() if tag.interpreter == tag.abi)
    members = {
        "big/__init__.py": init.encode(),
        f"big/{extension.name}": extension.read_bytes(),
        "big/data.txt": b"data",
        f"big-{version}.dist-info/METADATA": b"Metadata-Version: 2.1\nName: big\nVersion: "
        + version.encode()
        + b"\nRequires-Dist: six\n\nA body.\n",
        f"big-{version}.dist-info/WHEEL": f"Wheel-Version: 1.0\nTag: {tag}\n".encode(),
        f"big-{version}.dist-info/RECORD": b"",
    }
    path = folder / f"big-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


class Site:
    """An unpacked split wheel, and a way to import it."""

    def __init__(self, folder: Path, init: str | None = None) -> None:
        self.extension = largest_extension()
        self.module = self.extension.name.partition(".")[0]
        folder.mkdir(parents=True)
        self.wheel = wheel_of(
            folder, self.extension, init or f"from big import {self.module}\nready = True\n"
        )
        out = folder / "out"
        out.mkdir()
        (self.split,) = split_wheels([self.wheel], LIMIT, out)
        self.packages = folder / "site"
        for path in (self.split.wheel, *self.split.libraries):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(self.packages)
        self.cache = folder / "cache"
        self.environment = {
            **os.environ,
            "PYTHONPATH": str(self.packages),
            "BIG_CACHE": str(self.cache),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def start(self, code: str = "import big; print(big.ready)") -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, code: str = "import big; print(big.ready)") -> tuple[int, str, str]:
        process = self.start(code)
        out, error = process.communicate(timeout=60)
        return process.returncode, out.strip(), error

    def joined(self) -> list[Path]:
        return [path for path in self.cache.rglob("*.so") if not path.parts[-3].startswith(".")]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "one")


def test_every_part_is_under_the_limit_and_whole(site: Site) -> None:
    assert len(site.split.libraries) > 1
    for path in (site.split.wheel, *site.split.libraries):
        assert path.stat().st_size <= LIMIT
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            (record,) = (name for name in archive.namelist() if name.endswith("/RECORD"))
            rows = [row.split(",") for row in archive.read(record).decode().splitlines()]
            assert sorted(row[0] for row in rows) == sorted(archive.namelist())
            for name, _, size in rows:
                assert size == "" or int(size) == archive.getinfo(name).file_size
    with zipfile.ZipFile(site.split.wheel) as archive:
        metadata = archive.read("big-1.0.dist-info/METADATA").decode()
    assert (
        "Requires-Dist: six\nRequires-Dist: big-lib==1.0\nRequires-Dist: big-lib-2==1.0" in metadata
    )
    assert metadata.endswith("\n\nA body.\n")


def test_no_piece_looks_like_a_binary_to_be_stripped(site: Site) -> None:
    for path in (site.split.wheel, *site.split.libraries):
        with zipfile.ZipFile(path) as archive:
            assert not [n for n in archive.namelist() if archive.read(n)[:4] == b"\x7fELF"]


def test_it_imports_from_joined_bytes_that_are_the_built_ones(site: Site) -> None:
    code = f"import big.{site.module} as m; print(m.__file__)"
    status, said, error = site.run(code)
    assert status == 0, error
    assert Path(said).is_relative_to(site.cache)
    assert Path(said).read_bytes() == site.extension.read_bytes()
    assert stat.S_IMODE(Path(said).stat().st_mode) == 0o755


def test_the_second_import_writes_nothing(site: Site) -> None:
    assert site.run()[0] == 0
    (joined,) = site.joined()
    before = joined.stat()
    # Without the pieces it must still import: nothing is read from them again.
    for piece in site.packages.glob("big_lib*/*.0*"):
        piece.unlink()
    assert site.run()[:2] == (0, "True")
    assert joined.stat().st_mtime_ns == before.st_mtime_ns


def test_many_processes_at_once(site: Site) -> None:
    processes = [site.start() for _ in range(12)]
    for process in processes:
        out, error = process.communicate(timeout=60)
        assert (process.returncode, out.strip()) == (0, "True"), error
    assert len(site.joined()) == 1
    assert not list(site.cache.glob(".*"))


def test_many_threads_at_once(site: Site) -> None:
    code = (
        "import threading, _big_joiner\n"
        "found = []\n"
        "threads = [threading.Thread(target=lambda: found.append(_big_joiner.folder('big')))"
        " for _ in range(8)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "assert len(found) == 8 and len(set(found)) == 1, found\n"
        "import big; print(big.ready)"
    )
    assert site.run(code)[:2] == (0, "True")


def test_many_processes_at_once_where_files_cannot_be_locked(site: Site) -> None:
    code = (
        "import fcntl, time\n"
        "def refuse(*_): raise OSError(38, 'no locks here')\n"
        "fcntl.flock = refuse\n"
        "time.sleep(max(0, START - time.time()))\n"
        "import big; print(big.ready)"
    ).replace("START", str(time.time() + 1))
    processes = [site.start(code) for _ in range(12)]
    for process in processes:
        out, error = process.communicate(timeout=60)
        assert (process.returncode, out.strip()) == (0, "True"), error
    assert len(site.joined()) == 1
    assert not list(site.cache.glob(".*"))


def test_a_process_killed_in_the_middle_leaves_nothing_under_the_final_name(site: Site) -> None:
    code = (
        "import os, time\n"
        "def slow(descriptor): print('half', flush=True); time.sleep(60)\n"
        "os.fsync = slow\n"
        "import big"
    )
    process = site.start(code)
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    assert site.joined() == []
    waiting = site.start()
    time.sleep(0.3)
    assert waiting.poll() is None, "another process must wait for the one that joins"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert waiting.communicate(timeout=60)[0] == "True\n"
    assert len(site.joined()) == 1
    assert not list(site.cache.glob(".*"))


def test_a_damaged_joined_file_is_made_anew(site: Site) -> None:
    assert site.run()[0] == 0
    (joined,) = site.joined()
    joined.write_bytes(joined.read_bytes()[:1000])
    assert site.run()[:2] == (0, "True")
    assert hashlib.sha256(joined.read_bytes()).digest() == (
        hashlib.sha256(site.extension.read_bytes()).digest()
    )


def test_a_damaged_piece_is_refused_by_its_hash(site: Site) -> None:
    piece = sorted((site.packages / "big_lib").glob("*.0*"))[0]
    piece.write_bytes(piece.read_bytes()[:-1] + b"X")
    status, _, error = site.run()
    assert status == 1
    assert "give other bytes than were built" in error
    assert "pip install --force-reinstall big==1.0" in error
    assert site.joined() == []


def test_a_missing_library_package_is_named(site: Site) -> None:
    for path in (site.packages / "big_lib_2").iterdir():
        path.unlink()
    (site.packages / "big_lib_2").rmdir()
    status, _, error = site.run()
    assert status == 1
    assert "needs big-lib-2 1.0, which is not installed" in error


def test_a_home_that_cannot_be_written_to(site: Site, tmp_path: Path) -> None:
    del site.environment["BIG_CACHE"]
    (tmp_path / "file").touch()
    site.environment |= {"HOME": "/proc/nowhere", "TMPDIR": str(tmp_path)}
    site.environment.pop("XDG_CACHE_HOME", None)
    assert site.run()[:2] == (0, "True")
    assert (tmp_path / f"big-{os.getuid()}").is_dir()
    site.environment["BIG_CACHE"] = str(tmp_path / "file")
    status, _, error = site.run()
    assert status == 1
    assert "Set BIG_CACHE to a folder with" in error


def test_docstring_and_future_imports_stay_first(tmp_path: Path) -> None:
    init = (
        '"""Words\nabout it."""\n\nfrom __future__ import annotations\n\n'
        f"from big import {largest_extension().name.partition('.')[0]}\n"
        "def f(x: Unknown): pass\nready = __doc__.split()[0]\n"
    )
    site = Site(tmp_path / "two", init)
    assert site.run()[:2] == (0, "Words")


def test_a_small_wheel_stays_as_it_is(tmp_path: Path) -> None:
    wheel = wheel_of(tmp_path, largest_extension())
    (split,) = split_wheels([wheel], 10**9, tmp_path / "out")
    assert split.wheel == wheel
    assert split.libraries == ()


def test_an_extension_with_a_plain_name_is_put_together_too(tmp_path: Path) -> None:
    extension = largest_extension()
    module = extension.name.partition(".")[0]
    plain = tmp_path / f"{module}.so"
    plain.write_bytes(extension.read_bytes())
    out = tmp_path / "out"
    out.mkdir()
    (split,) = split_wheels([wheel_of(tmp_path, plain)], LIMIT, out)
    for path in (split.wheel, *split.libraries):
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "site")
    assert not (tmp_path / "site/big" / plain.name).exists()
    said = subprocess.check_output(
        [sys.executable, "-c", f"from big import {module}; print({module}.__file__)"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site"), "BIG_CACHE": str(tmp_path / "c")},
        text=True,
    )
    assert said.startswith(str(tmp_path / "c"))


def test_what_is_no_library_cannot_be_split(tmp_path: Path) -> None:
    wheel = wheel_of(tmp_path, largest_extension())
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("big/noise.bin", os.urandom(2 * LIMIT))
    with pytest.raises(BuildError, match="of it are not shared libraries"):
        split_wheels([wheel], LIMIT, tmp_path)


def test_an_extension_outside_of_a_package_is_refused(tmp_path: Path) -> None:
    wheel = wheel_of(tmp_path, largest_extension())
    (tmp_path / "out").mkdir()
    with zipfile.ZipFile(wheel) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    del members["big/__init__.py"]
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(BuildError, match=r"big has no __init__\.py"):
        split_wheels([wheel], LIMIT, tmp_path / "out")


def test_splitting_is_reproducible(tmp_path: Path) -> None:
    first, second = Site(tmp_path / "a"), Site(tmp_path / "b")
    for one, other in zip(
        (first.split.wheel, *first.split.libraries),
        (second.split.wheel, *second.split.libraries),
        strict=True,
    ):
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("text", "size"),
    [("100MB", 100_000_000), ("1.5 MB", 1_500_000), ("64KiB", 65536), ("7", 7), ("2gb", 2 * 10**9)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_a_size_that_is_none() -> None:
    with pytest.raises(UsageError, match="'much' is not a size"):
        parse_size("much")
