"""From requirements to a lock: reading, resolving, PEP 751."""
