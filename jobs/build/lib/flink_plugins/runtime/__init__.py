"""What runs a plugin, apart from Flink: buffers, threads, acknowledgements, policies."""
