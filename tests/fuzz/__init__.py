"""Every reader of strangers' bytes, fed with mutated ones: ``python -m tests.fuzz --help``."""
