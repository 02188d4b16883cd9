"""The job: a pipeline file as a running Flink job.

From a program::

    from flink_plugins.pipeline import Pipeline
    Pipeline.load("pipeline.yaml").execute()
"""

from flink_plugins.pipeline.build import Pipeline

__all__ = ["Pipeline"]
