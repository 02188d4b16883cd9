"""A local Flink of the target's release, run as a managed one would be."""
