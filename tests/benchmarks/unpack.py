"""Unpacking venv.zip as a TaskManager does: Flink's own class, from the distribution's JARs.

The archives are those that the ``venv`` benchmark left in .bench.
"""

from __future__ import annotations

import shutil

from bundler.flink.distribution import flink_distribution
from bundler.flink.local.java import find_java
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.target import Target
from tests.benchmarks.harness import RESULTS, Competitor, Skipped, Table, measure, scratch

THIS = "venv.zip of this tool"

_SOURCE = """
import org.apache.flink.util.CompressionUtils;

public class Unpack {
    public static void main(String[] words) throws Exception {
        CompressionUtils.extractFile(words[0], words[1], "venv.zip");
    }
}
"""


def run(runs: int) -> Table:
    target = Target.parse(flink="2.2.1")
    cache = Cache.default()
    java = find_java(target, Session(cache))
    if not (java / "bin" / "javac").is_file():
        raise Skipped("unpacking by Flink's class needs a JDK with javac")
    archives = {
        THIS: RESULTS / "venv-this.zip",
        "venv.zip of the recipe": RESULTS / "venv-recipe.zip",
    }
    if not all(path.is_file() for path in archives.values()):
        raise Skipped("run the venv benchmark first: it leaves the archives")
    distribution = flink_distribution(target, Session(cache))
    path = ":".join([*map(str, (distribution.home / "lib").glob("*.jar")),
                     str(distribution.python_jar)])  # fmt: skip
    with scratch("unpack") as folder:
        source, out = folder / "Unpack.java", folder / "out"
        source.write_text(_SOURCE)

        def clean() -> None:
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()

        rows = measure(
            [
                Competitor(
                    name,
                    [java / "bin" / "java", "-Xmx512m", "-cp", path, source, archive, out],
                    None,
                    clean,
                )
                for name, archive in archives.items()
            ],
            runs,
        )
    return Table("Unpacked by Flink's own class (with the JVM's start)", rows, THIS)
