"""What the integration tests share: archives built by the real command, and a real Flink."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bundler.cache import Cache
from bundler.flink.cluster import LocalCluster
from bundler.flink.distribution import flink_distribution
from bundler.flink.java import find_java
from bundler.jars import jar_list
from bundler.progress import Progress
from bundler.services.model import JobBundle
from bundler.target import Target

EXAMPLE = Path(__file__).parents[2] / "examples" / "opencv"
JOBS = Path(__file__).parent / "flink_jobs"

# javac --release 8 -g:none of
#   package demo;
#   public class Shout extends org.apache.flink.table.functions.ScalarFunction {
#       public String eval(String text) { return text.toUpperCase() + "!"; }
#   }
SHOUT = b64decode(
    "yv66vgAAADQAHgoAAgADBwAEDAAFAAYBAC9vcmcvYXBhY2hlL2ZsaW5rL3RhYmxlL2Z1bmN0aW9ucy9TY2FsYXJG"
    "dW5jdGlvbgEABjxpbml0PgEAAygpVgcACAEAF2phdmEvbGFuZy9TdHJpbmdCdWlsZGVyCgAHAAMKAAsADAcADQwA"
    "DgAPAQAQamF2YS9sYW5nL1N0cmluZwEAC3RvVXBwZXJDYXNlAQAUKClMamF2YS9sYW5nL1N0cmluZzsKAAcAEQwA"
    "EgATAQAGYXBwZW5kAQAtKExqYXZhL2xhbmcvU3RyaW5nOylMamF2YS9sYW5nL1N0cmluZ0J1aWxkZXI7CAAVAQAB"
    "IQoABwAXDAAYAA8BAAh0b1N0cmluZwcAGgEACmRlbW8vU2hvdXQBAARDb2RlAQAEZXZhbAEAJihMamF2YS9sYW5n"
    "L1N0cmluZzspTGphdmEvbGFuZy9TdHJpbmc7ACEAGQACAAAAAAACAAEABQAGAAEAGwAAABEAAQABAAAABSq3AAGx"
    "AAAAAAABABwAHQABABsAAAAjAAIAAgAAABe7AAdZtwAJK7YACrYAEBIUtgAQtgAWsAAAAAAAAA=="
)

BundleCommand = Callable[..., "subprocess.CompletedProcess[str]"]


class Recorder(Progress):
    """Keeps what a stage reports."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.warnings: list[str] = []
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def output(self, line: str) -> None:
        self.lines.append(line)


@dataclass(frozen=True)
class Example:
    """A copy of examples/opencv, built for ``target``."""

    folder: Path
    target: Target

    @property
    def dist(self) -> Path:
        return self.folder / "dist"

    def bundle(self, script: Path | None = None, **changes: object) -> JobBundle:
        """The built archives as a value, with the example's job or ``script``."""
        values: dict[str, object] = {
            "venv": self.dist / "venv.zip",
            "deps": self.dist / "deps.zip",
            "data": (self.dist / "models.zip",),
            "script": script or self.folder / "job.py",
            "parallelism": 1,
        }
        return JobBundle(
            self.target,
            f"venv.zip/venv/bin/python{self.target.python_minor}",
            **(values | changes),  # type: ignore[arg-type]
        )


@pytest.fixture(scope="session")
def cache() -> Cache:
    """The user's own cache (or BUNDLE_CACHE), so that a second run downloads nothing."""
    return Cache.default()


@pytest.fixture(scope="session")
def bundle_command() -> BundleCommand:
    """Run the installed ``bundle`` command; fails the test if it fails and ``check`` is set."""
    command = shutil.which("bundle", path=str(Path(sys.executable).parent)) or "bundle"

    def run(
        *arguments: str | Path,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        check: bool = True,
        timeout: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        finished = subprocess.run(
            [command, *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check and finished.returncode:
            pytest.fail(f"{finished.args}\n{finished.stdout}\n{finished.stderr}")
        return finished

    return run


@pytest.fixture(scope="session")
def build_example(
    tmp_path_factory: pytest.TempPathFactory, bundle_command: BundleCommand
) -> Callable[[str, str], Example]:
    """Build examples/opencv for a Flink and a Python; once a session for each pair."""
    built: dict[tuple[str, str], Example] = {}

    def build(flink: str, python: str) -> Example:
        if (flink, python) not in built:
            folder = tmp_path_factory.mktemp(f"opencv-{flink}") / "opencv"
            shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("dist", "pylock*"))
            project = folder / "bundle.toml"
            text = project.read_text()
            text = re.sub(r'(?m)^flink = ".*"', f'flink = "{flink}"', text)
            text = re.sub(r'(?m)^python = ".*"', f'python = "{python}"', text)
            project.write_text(text)
            bundle_command("build", cwd=folder)
            built[flink, python] = Example(folder, Target.parse(flink=flink, python=python))
        return built[flink, python]

    return build


@pytest.fixture(scope="session")
def example(build_example: Callable[[str, str], Example]) -> Example:
    """examples/opencv for its own target: Flink 2.2.1, Python 3.11."""
    return build_example("2.2.1", "3.11")


@pytest.fixture(scope="session")
def start_cluster(cache: Cache) -> Callable[..., LocalCluster]:
    """A `LocalCluster` of a Flink release, not yet entered."""

    def start(flink: str, **options: object) -> LocalCluster:
        target = Target.parse(flink=flink)
        return LocalCluster(
            flink_distribution(target, cache),
            find_java(target, cache),
            **options,  # type: ignore[arg-type]
        )

    return start


@pytest.fixture(scope="session")
def flink_cluster(start_cluster: Callable[..., LocalCluster]) -> Iterator[LocalCluster]:
    """A Flink 2.2.1 for the whole session. Whoever starts a job ends it too: one slot."""
    with start_cluster("2.2.1") as cluster:
        yield cluster


@pytest.fixture(scope="session")
def shout_jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JAR with one scalar function, demo.Shout."""
    path = tmp_path_factory.mktemp("jars") / "shout.jar"
    with zipfile.ZipFile(path, "w") as jar:
        jar.writestr("META-INF/MANIFEST.MF", "Manifest-Version: 1.0\n\n")
        jar.writestr("demo/Shout.class", SHOUT)
    assert jar_list([path])
    return path


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


def commands_naming(text: str) -> list[str]:
    """The command lines of the living processes that have ``text`` in them."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if text in line and state != "Z" and int(process.name) != os.getpid():
            found.append(line)
    return found


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment whose temporary folder is the test's own; no process may outlive the test.

    Flink's processes name their folder on the command line, so they are found by it.
    """
    folder = tmp_path / "tmp"
    folder.mkdir()
    yield {"TMPDIR": str(folder)}
    assert commands_naming(str(folder)) == []


@contextmanager
def running(
    *arguments: str | Path, cwd: Path, env: dict[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """A child process that is killed if the test leaves it running."""
    process = subprocess.Popen(
        [str(argument) for argument in arguments],
        cwd=cwd,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
