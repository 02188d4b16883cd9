"""Flink itself, out of the apache-flink-libraries release that PyFlink depends on.

The release holds lib/, opt/, plugins/ and bin/ of the Flink distribution, below ``pyflink`` in a
wheel (2.2.0 and newer) and below ``deps`` in an sdist (older). It has no conf/ and no start
scripts; `bundler.flink.local.cluster` needs neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.version import Version

from bundler.errors import BuildError
from bundler.flink.unpack import unpack
from bundler.session import Session
from bundler.support.files import digest_of, whole_folder
from bundler.wheels.published import fetch_release

if TYPE_CHECKING:
    from bundler.target import Target


@dataclass(frozen=True, slots=True)
class Distribution:
    """A runnable Flink: its release and the folder with lib/, opt/ and plugins/."""

    version: str
    home: Path

    @property
    def classpath(self) -> str:
        """What ``java -cp`` takes: every JAR of lib/."""
        return str(self.home / "lib" / "*")

    @property
    def python_jar(self) -> Path:
        """The JAR with PythonDriver, the entry class of every PyFlink job."""
        return self.home / "opt" / f"flink-python-{self.version}.jar"


def flink_distribution(target: Target, session: Session) -> Distribution:
    """The Flink of the target's release in the cache, fetched and unpacked once.

    Raises FetchError or BuildError if the release cannot be fetched or is not what it should be, or
    is 1.12, which keeps its JARs in the apache-flink wheel.
    """
    if Version(target.flink) < Version("1.13"):
        raise BuildError(
            f"Flink {target.flink} was published without a separate distribution.",
            "A local Flink needs 1.13 or newer.",
            "Build for this target, and run the job on a cluster of your own.",
        )
    name = f"flink-{target.flink}"
    place = session.cache.path("flink", digest_of(name.encode()), name)
    if not place.is_dir():
        with session.cache.lock(name):
            if not place.is_dir():
                release = fetch_release("apache-flink-libraries", target.flink, session)
                with (
                    session.progress.task(f"Unpacking {release.name}"),
                    whole_folder(place) as folder,
                ):
                    unpack(release, folder, "pyflink" if release.suffix == ".whl" else "deps")
    distribution = Distribution(target.flink, place)
    if not distribution.python_jar.is_file():
        raise BuildError(
            f"{distribution.python_jar.name} is missing in {place}.",
            f"Expected the Flink distribution of release {target.flink}.",
            f"Remove {place} and run again.",
        )
    return distribution
