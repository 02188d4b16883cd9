"""Side-by-side measurements: ``python -m tests.benchmarks [NAME...]`` (``make bench``).

Every module here with a function ``run(runs: int) -> Table`` is a benchmark of its name.
"""
