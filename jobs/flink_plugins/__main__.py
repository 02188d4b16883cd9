"""``python -m flink_plugins pipeline.yaml``: submit a pipeline, as the entry module of a job."""

import sys

from flink_plugins.errors import PluginError
from flink_plugins.pipeline import Pipeline


def main() -> None:
    """Start the pipeline named on the command line.

    What is wrong with the pipeline is said in one line, which the client of Flink logs.
    """
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m flink_plugins PIPELINE")
    try:
        Pipeline.load(sys.argv[1]).execute()
    except PluginError as error:
        said = " ".join(str(error).split())
        raise SystemExit(f"flink_plugins: error: {said}") from error


if __name__ == "__main__":
    main()
