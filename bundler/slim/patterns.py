"""The rules that go by a file's name alone."""

from __future__ import annotations

from bundler.slim.rule import Rule, without

BYTECODE = Rule(
    "bytecode",
    "`__pycache__`: its contents depend on when and where they were compiled",
    True,
    without(r"(?:^|/)__pycache__/[^/]*\.py[co]$"),
)
JARS = Rule(
    "jars",
    "Flink's JARs in the pyflink package, which the cluster has",
    True,
    without(r"^pyflink/(?:lib|opt|plugins)/"),
)
HEADERS = Rule(
    "headers",
    "C and C++ headers and sources, Cython sources; packages that compile at run time "
    "(Triton, CuPy) need them",
    False,
    without(r".\.(?:h|hh|hpp|hxx|cuh|inl|c|cc|cpp|cxx|pyx|pxd|pxi)$"),
)
STATIC_LIBRARIES = Rule(
    "static-libs",
    "libraries to link against (`.a`); packages that link at run time need them",
    False,
    without(r".\.a$"),
)
TEST_MODULES = Rule(
    "test-modules",
    "Apache Beam's own test modules (`*_test.py`) and its examples",
    False,
    without(r"^apache_beam/(?:.*_test\.py$|examples/)"),
)
