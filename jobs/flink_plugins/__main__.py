"""``python -m flink_plugins pipeline.yaml``: submit a pipeline, as the entry module of a job."""

import sys

from flink_plugins.pipeline import Pipeline


def main() -> None:
    """Start the pipeline named on the command line.

    What is wrong with it is raised: Flink's client shows the last lines of a traceback.
    """
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m flink_plugins PIPELINE")
    Pipeline.load(sys.argv[1]).execute()


if __name__ == "__main__":
    main()
