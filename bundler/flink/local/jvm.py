"""The JVM of a Flink process: its command, its environment, and the leash that ends it."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.flink.configuration import config_name

if TYPE_CHECKING:
    from bundler.flink.distribution import Distribution

# What pyflink-udf-runner.sh and Flink itself start by name.
# fmt: off
_TOOLS = (
    "basename", "bash", "cat", "chmod", "cp", "dirname", "env", "getconf", "grep", "gzip", "id",
    "ln", "ls", "mkdir", "mv", "ps", "readlink", "rm", "sed", "sh", "sleep", "sort", "tar",
    "uname", "which",
)
# fmt: on

# The list of Flink's own config.yaml (env.java.opts.all), less the compiler's internals.
_MODULE_OPTIONS = (
    "--add-exports=java.base/sun.net.util=ALL-UNNAMED",
    *(
        f"--add-opens=java.base/{package}=ALL-UNNAMED"
        for package in [
            "java.lang",
            "java.net",
            "java.io",
            "java.nio",
            "sun.nio.ch",
            "java.lang.reflect",
            "java.text",
            "java.time",
            "java.util",
            "java.util.concurrent",
            "java.util.concurrent.atomic",
            "java.util.concurrent.locks",
        ]
    ),
)

# Sets the signal a child gets when its parent dies, however it dies, and becomes the program.
# preexec_fn would do the same, but may deadlock when another thread holds a lock at the fork.
_LEASH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execv(sys.argv[2], sys.argv[2:])
"""

_LOGGING = """\
rootLogger.level = INFO
rootLogger.appenderRef.file.ref = File
appender.file.type = File
appender.file.name = File
appender.file.fileName = ${sys:log.file}
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{HH:mm:ss,SSS} %-5p %c - %m%n
logger.netty.name = org.jboss.netty.channel.DefaultChannelPipeline
logger.netty.level = OFF
"""


@dataclass(frozen=True, slots=True)
class FlinkJvm:
    """How to start main classes of ``distribution`` on the Java whose home is ``java``.

    ``folder`` is the cluster's own (see `prepare`); ``heap`` is in MiB.
    """

    distribution: Distribution
    java: Path
    folder: Path
    heap: int

    @property
    def logs(self) -> Path:
        """The folder with the logs and the standard output of the processes."""
        return self.folder / "log"

    def prepare(self, configuration: str) -> None:
        """Fill ``folder``: Flink's ``configuration`` (the text of its file), logging, tools."""
        for name in ("conf", "log", "tmp", "bin"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for tool in _TOOLS:
            found = shutil.which(tool)
            if found is not None and not (self.folder / "bin" / tool).exists():
                (self.folder / "bin" / tool).symlink_to(Path(found).absolute())
        config = self.folder / "conf" / config_name(self.distribution.version)
        config.write_text(configuration, encoding="utf-8")
        self._log4j.write_text(_LOGGING, encoding="utf-8")

    @property
    def environment(self) -> dict[str, str]:
        """All that Flink's processes see of an environment: Java, a few tools, no Python."""
        home = self.distribution.home
        return {
            "PATH": f"{self.java / 'bin'}:{self.folder / 'bin'}",
            "JAVA_HOME": str(self.java),
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "FLINK_CONF_DIR": str(self.folder / "conf"),
            "FLINK_LIB_DIR": str(home / "lib"),
            "FLINK_OPT_DIR": str(home / "opt"),
            "FLINK_PLUGINS_DIR": str(home / "plugins"),
        }

    def command(self, name: str, *main: str) -> list[str]:
        """The command that runs a main class of Flink as ``name``, tied to this process's life."""
        return [
            sys.executable,
            "-I",
            "-S",
            "-c",
            _LEASH,
            str(os.getpid()),
            str(self.java / "bin" / "java"),
            f"-Xmx{self.heap}m",
            "-XX:MaxMetaspaceSize=384m",
            "-XX:MaxDirectMemorySize=256m",
            "-XX:+UseSerialGC",
            "-XX:+IgnoreUnrecognizedVMOptions",
            *_MODULE_OPTIONS,
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            f"-Dlog.file={self.logs / name}.log",
            f"-Dlog4j.configurationFile={self._log4j.as_uri()}",
            "-cp",
            self.distribution.classpath,
            *main,
        ]

    @property
    def _log4j(self) -> Path:
        return self.folder / "conf" / "log4j.properties"
