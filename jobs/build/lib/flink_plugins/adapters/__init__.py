"""Other systems' contracts, brought to that of `flink_plugins.api`."""
