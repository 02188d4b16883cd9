"""What the integration tests share: archives built by the real command, and a real Flink."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bundler.flink.distribution import flink_distribution
from bundler.flink.local.cluster import LocalCluster
from bundler.flink.local.cluster_options import ClusterOptions
from bundler.flink.local.java import find_java
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.target import Target
from tests.support.flink_support import BUNDLE, BundleCommand, Example, Recorder, commands_naming
from tests.support.plugins_support import flink, plugin_archives

EXAMPLE = Path(__file__).parents[2] / "examples" / "opencv"

__all__ = ["flink", "plugin_archives"]  # fixtures of plugins_support, made once a session


@pytest.fixture(scope="session")
def cache() -> Cache:
    """The user's own cache (or BUNDLE_CACHE), so that a second run downloads nothing."""
    return Cache.default()


@pytest.fixture(scope="session")
def bundle_command() -> BundleCommand:
    """Run the installed ``bundle`` command; fails the test if it fails and ``check`` is set."""

    def run(
        *arguments: str | Path,
        cwd: Path | None = None,
        env: dict[str, str] | None = None,
        check: bool = True,
        timeout: float = 600,
    ) -> subprocess.CompletedProcess[str]:
        finished = subprocess.run(
            [BUNDLE, *map(str, arguments)],
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
            flink_distribution(target, Session(cache)),
            find_java(target, Session(cache)),
            ClusterOptions(**options),  # type: ignore[arg-type]
        )

    return start


@pytest.fixture
def flink_cluster(start_cluster: Callable[..., LocalCluster]) -> Iterator[LocalCluster]:
    """A Flink 2.2.1 with one slot.

    Each test has its own, which takes some five seconds: a Python job that is cancelled can take
    the TaskManager with it (Beam in Flink 2.2.1, "Reference count must not be negative").
    """
    with start_cluster("2.2.1") as cluster:
        yield cluster


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
