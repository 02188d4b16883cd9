"""Builds that are killed, or whose disk fails, at points chosen by system call.

After each: what has a final name is whole, and the next run gives the same bytes as an undisturbed
one. ``strace`` counts the calls of an undisturbed run and then injects a signal, an error or a
delay at one of them.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.flink_support import BUNDLE
from tests.support.making_wheels import shared_library, wheel
from tests.support.serving import Index, make_wheel, serve

STRACE = shutil.which("strace")
pytestmark = [
    pytest.mark.skipif(STRACE is None, reason="strace is not installed"),
    pytest.mark.timeout(3600),
]

CALLS = (
    "openat,write,pwrite64,ftruncate,rename,renameat,renameat2,link,linkat,mkdir,mkdirat,"
    "unlink,unlinkat,rmdir,chmod,fchmod,fchmodat,fsync,flock,symlink"
)
POINTS = 100
SOME = 10
"""Points of each command in a short run."""

SECONDS = 300
"""Only keeps a run from hanging."""

NOBODY = 65534


@dataclass(frozen=True)
class Site:
    """A project, the places that a command may write to, and the commands that are disturbed."""

    folder: Path
    index: Index
    user: int | None = None

    @property
    def environment(self) -> dict[str, str]:
        own = {name: str(self.folder / name) for name in ("cache", "uv", "tmp", "home")}
        return {
            "PATH": os.environ["PATH"],
            "HOME": own["home"],
            "TMPDIR": own["tmp"],
            "BUNDLE_CACHE": own["cache"],
            "UV_CACHE_DIR": own["uv"],
            "PIP_INDEX_URL": f"{self.index.url}/simple",
            "PIP_CONFIG_FILE": os.devnull,
            "NO_COLOR": "1",
        }

    def words(self, command: str) -> list[str]:
        if command == "data":
            return ["data", str(self.folder / "models"), "-o", str(self.folder / "out/models.zip")]
        words = ["deps", "-r", str(self.folder / "r.txt"), "--python", "3.11", "--slim", "all"]
        return [*words, "--no-check", "-o", str(self.folder / "out" / "deps.zip")]

    def run(
        self, command: str, *prefix: str, limit: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command, below ``prefix`` and with files of at most ``limit`` bytes."""
        if self.user is not None:
            prefix = (*_as_user(self.user), *prefix)
        if limit is not None:
            prefix = ("prlimit", f"--fsize={limit}", *prefix)
        return subprocess.run(
            [*prefix, BUNDLE, *self.words(command), "--project", str(self.folder)]
            if command == "deps"
            else [*prefix, BUNDLE, *self.words(command)],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )

    def made(self) -> dict[str, str]:
        """The files in ``out`` that have a final name, by their SHA-256."""
        out = self.folder / "out"
        found = out.rglob("*") if out.is_dir() else iter(())
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in found
            if path.is_file() and not path.name.startswith(".")
        }

    def clear(self) -> None:
        """Forget all that earlier commands left."""
        for name in ("cache", "uv", "tmp", "home", "out"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        for name in ("tmp", "home"):
            place = self.folder / name
            place.mkdir()
            if self.user is not None:
                os.chown(place, self.user, self.user)


def _as_user(user: int) -> tuple[str, ...]:
    if user == 0:
        return ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    return ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serve(tmp_path / "index") as index:
        yield new_site(tmp_path / "site", index)


def new_site(folder: Path, index: Index, user: int | None = None) -> Site:
    make_wheel(index.folder, "leaf")
    make_wheel(index.folder, "top", requires=["leaf", "lib"])
    files = {
        "lib/__init__.py": "",
        "lib/_c.so": shared_library(),
        "lib/tests/__init__.py": "",
        "lib/noise.bin": random.Random(1).randbytes(300_000),
    }
    wheel(index.folder, files, "lib")
    folder.mkdir()
    (folder / "r.txt").write_text("top\n")
    models = folder / "models"
    models.mkdir()
    (models / "weights").write_bytes(random.Random(2).randbytes(3 << 20))
    (models / "readme").write_text("x" * 100_000)
    if user is not None:
        os.chown(folder, user, user)
    site = Site(folder, index, user)
    site.clear()
    return site


def undisturbed(site: Site, command: str) -> dict[str, str]:
    """What the command makes if nothing goes wrong."""
    finished = site.run(command)
    assert finished.returncode == 0, finished.stderr
    made = site.made()
    site.clear()
    assert made
    return made


def points(site: Site, command: str, count: int, *, filled: bool) -> list[tuple[str, int]]:
    """System calls to disturb: (name, which one of its process), the same for the same counts.

    ``filled`` says whether the caches are. Each kind of call gets its share. Of the calls that open
    files the first two thirds are passed over: they load modules.
    """
    log = site.folder / "calls"
    if filled:
        assert site.run(command).returncode == 0
    finished = site.run(command, *traced(CALLS, log))
    assert finished.returncode == 0, finished.stderr
    counts: Counter[tuple[str, str]] = Counter()
    for line in log.read_text(errors="replace").splitlines():
        if match := re.match(r"(\d+) +(\w+)\(", line):
            counts[match[1], match[2]] += 1
    log.unlink()
    site.clear()
    most: dict[str, int] = {}
    for (_, call), number in counts.items():
        most[call] = max(most.get(call, 0), number)
    rng = random.Random(count)
    chosen: list[tuple[str, int]] = []
    calls = sorted(most)
    while len(chosen) < count:
        call = calls[len(chosen) % len(calls)]
        first = most[call] * 2 // 3 if call == "openat" else 1
        chosen.append((call, rng.randint(max(first, 1), most[call])))
    return chosen


def traced(calls: str, log: Path, *more: str) -> tuple[str, ...]:
    # Without --seccomp-bpf: with it strace 6.1 counts calls but injects nothing.
    assert STRACE is not None
    return (STRACE, "-f", "-qq", "-o", str(log), "-e", f"trace={calls}", *more)


def assert_sound(site: Site, expected: Mapping[str, str], older: Mapping[str, str]) -> None:
    """What has a final name is either as before, or as it should be; so is the cache."""
    for name, digest in site.made().items():
        assert digest in (expected.get(name), older.get(name)), f"{name} is neither old nor new"
    for path in (site.folder / "cache" / "wheels").rglob("*"):
        if path.is_file() and not path.name.startswith(".") and path.suffix == ".whl":
            assert hashlib.sha256(path.read_bytes()).hexdigest() in str(path), f"{path} is damaged"


def assert_recovers(site: Site, command: str, expected: Mapping[str, str], what: str) -> None:
    """The next run succeeds with the same bytes, and leaves nothing but them."""
    finished = site.run(command)
    assert finished.returncode == 0, (what, finished.stderr)
    assert site.made() == expected, what


def kill(site: Site, command: str, count: int) -> int:
    """Kill the command at ``count`` points; how many of them ended it.

    In every other run the caches are filled and there is an older file to replace.
    """
    expected = undisturbed(site, command)
    fresh = points(site, command, (count + 1) // 2, filled=False)
    again = points(site, command, count // 2, filled=True)
    ended = 0
    for call, which in fresh:
        site.clear()
        ended += killed(site, command, call, which, expected)
    assert_recovers(site, command, expected, "before it is replaced")
    for call, which in again:
        (site.folder / "out" / next(iter(expected))).write_bytes(b"older")
        ended += killed(site, command, call, which, expected)
    return ended


def killed(site: Site, command: str, call: str, which: int, expected: Mapping[str, str]) -> bool:
    older = site.made()
    inject = f"inject={call}:signal=KILL:when={which}"
    finished = site.run(command, *traced(call, site.folder / "calls", "-e", inject))
    assert_sound(site, expected, older)
    assert_recovers(site, command, expected, f"killed at {call} {which}")
    return finished.returncode != 0


@pytest.mark.parametrize("command", ["deps", "data"])
def test_killed_at_some_points(site: Site, command: str) -> None:
    assert kill(site, command, SOME) >= SOME // 2


@pytest.mark.slow
@pytest.mark.parametrize("command", ["deps", "data"])
def test_killed_at_many_points(site: Site, command: str) -> None:
    assert kill(site, command, POINTS // 2) >= POINTS // 4


def fail(site: Site, command: str, error: str, count: int) -> None:
    """Let single calls fail with ``error``: the command may fail too, in a few words."""
    expected = undisturbed(site, command)
    for call, which in points(site, command, count, filled=False):
        site.clear()
        log = site.folder / "calls"
        finished = site.run(
            command, *traced(call, log, "-e", f"inject={call}:error={error}:when={which}")
        )
        what = f"{error} at {call} {which}: {finished.stderr}"
        assert "Traceback" not in finished.stderr, what
        assert finished.returncode not in (1, 70), what
        assert_sound(site, expected, {})
        assert_recovers(site, command, expected, what)


@pytest.mark.slow
@pytest.mark.parametrize("error", ["ENOSPC", "EIO", "EROFS"])
@pytest.mark.parametrize("command", ["deps", "data"])
def test_calls_that_fail(site: Site, command: str, error: str) -> None:
    fail(site, command, error, 20)


@pytest.mark.parametrize("limit", [1 << 12, 1 << 17, 1 << 20])
@pytest.mark.parametrize("command", ["deps", "data"])
def test_files_that_cannot_grow(site: Site, command: str, limit: int) -> None:
    expected = undisturbed(site, command)
    finished = site.run(command, limit=limit)
    if finished.returncode == 0:
        assert site.made() == expected
    else:
        assert_told(finished)
        assert site.made() == {}
    assert_recovers(site, command, expected, f"files of {limit} bytes")


def assert_told(finished: subprocess.CompletedProcess[str]) -> None:
    """It failed with a BundlerError's exit code, in a few words."""
    assert "Traceback" not in finished.stderr, finished.stderr
    assert finished.returncode in (2, 3, 4, 7), finished.stderr
    assert finished.stderr.strip()


def own_mounts(script: str) -> tuple[str, ...]:
    """A prefix that runs ``script`` in a mount namespace of its own, and then the command."""
    return ("unshare", "--mount", "sh", "-c", f'{script} && exec "$@"', "sh")


@pytest.fixture
def mounting() -> None:
    probe = [*own_mounts("mount -t tmpfs none /mnt"), "true"]
    if shutil.which("unshare") is None or subprocess.run(probe, capture_output=True).returncode:
        pytest.skip("this user may not mount")


@pytest.mark.parametrize("size", ["4k", "256k", "1m"])
@pytest.mark.parametrize("place", ["out", "cache", "tmp"])
@pytest.mark.usefixtures("mounting")
def test_a_full_disk(site: Site, place: str, size: str) -> None:
    expected = undisturbed(site, "deps")
    (site.folder / place).mkdir(exist_ok=True)
    prefix = own_mounts(f"mount -t tmpfs -o size={size} none '{site.folder / place}'")
    finished = site.run("deps", *prefix)
    if finished.returncode:
        assert_told(finished)
    assert_recovers(site, "deps", expected, f"{place} of {size}")


@pytest.mark.parametrize("place", ["out", "cache"])
@pytest.mark.usefixtures("mounting")
def test_a_read_only_disk(site: Site, place: str) -> None:
    expected = undisturbed(site, "deps")
    folder = site.folder / place
    folder.mkdir(exist_ok=True)
    prefix = own_mounts(
        f"mount --bind '{folder}' '{folder}' && mount -o remount,ro,bind '{folder}'"
    )
    finished = site.run("deps", *prefix)
    assert finished.returncode == 2, finished.stderr
    assert_told(finished)
    assert list(folder.iterdir()) == []
    assert_recovers(site, "deps", expected, f"{place} read-only")


@pytest.mark.parametrize("command", ["deps", "data"])
def test_a_slow_disk(site: Site, command: str) -> None:
    expected = undisturbed(site, command)
    slow = "write,rename,renameat,mkdir,unlink,pwrite64"
    prefix = traced(slow, site.folder / "calls", "-e", f"inject={slow}:delay_enter=5000")
    finished = site.run(command, *prefix)
    assert finished.returncode == 0, finished.stderr
    assert site.made() == expected


@pytest.fixture
def ordinary(tmp_path: Path) -> Iterator[Site]:
    """A site of a user who is not root.

    Where root runs the tests, that is nobody; or root without any capability, whom permissions bind
    as they do others, if what is installed here is in a place that nobody may not enter.
    """
    user: int | None = None
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("setpriv is not installed")
        probe = [*_as_user(NOBODY), "readlink", "-e", sys.executable]
        user = 0 if subprocess.run(probe, capture_output=True).returncode else NOBODY
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        Path(folder).chmod(0o755)
        with serve(tmp_path / "index") as index:
            yield new_site(Path(folder) / "site", index, user)


def test_an_ordinary_user(ordinary: Site) -> None:
    expected = undisturbed(ordinary, "deps")
    assert kill(ordinary, "deps", SOME // 2) >= 1
    ordinary.clear()
    out = ordinary.folder / "out"
    out.mkdir()
    out.chmod(0o555)
    if ordinary.user is not None:
        os.chown(out, ordinary.user, ordinary.user)
    finished = ordinary.run("deps")
    assert finished.returncode == 2, finished.stderr
    assert_told(finished)
    out.chmod(0o755)
    assert_recovers(ordinary, "deps", expected, "a folder that may not be written")
