"""``python -m flink_plugins pipeline.yaml``: submit a pipeline, as the entry module of a job."""

import sys

from flink_plugins.errors import PluginError
from flink_plugins.pipeline import Pipeline


def main() -> None:
    """Start the pipeline named on the command line; what is wrong with it ends the program."""
    if len(sys.argv) != 2:
        sys.exit("usage: python -m flink_plugins PIPELINE")
    try:
        pipeline = Pipeline.load(sys.argv[1])
        pipeline.execute()
    except PluginError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
