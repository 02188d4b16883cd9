"""A portable plugin as a user of eKuiper has one: it knows nothing of Flink."""

from ekuiper import PluginConfig, plugin
from functions import Longest, Revert
from sinks import FileSink, PrintSink
from sources import PyJson

if __name__ == "__main__":
    plugin.start(
        PluginConfig(
            "pysam",
            {"pyjson": lambda: PyJson()},
            {"print": lambda: PrintSink(), "file": lambda: FileSink()},
            {"revert": lambda: Revert(), "longest": lambda: Longest()},
        )
    )
