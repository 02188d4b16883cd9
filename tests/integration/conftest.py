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
from pathlib import Path

import pytest
from flink_support import Example, Recorder, commands_naming

from bundler.cache import Cache
from bundler.flink.cluster import LocalCluster
from bundler.flink.distribution import flink_distribution
from bundler.flink.java import find_java
from bundler.jars import jar_list
from bundler.target import Target

EXAMPLE = Path(__file__).parents[2] / "examples" / "opencv"

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


@pytest.fixture
def nothing_left(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment whose temporary folder is the test's own; no process may outlive the test.

    Flink's processes name their folder on the command line, so they are found by it.
    """
    folder = tmp_path / "tmp"
    folder.mkdir()
    yield {"TMPDIR": str(folder)}
    assert commands_naming(str(folder)) == []
