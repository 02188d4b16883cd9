"""A Flink on this machine."""
