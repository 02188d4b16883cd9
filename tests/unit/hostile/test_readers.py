"""Every reader of strangers' bytes: whatever comes in, a value or a BundlerError comes out."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bundler.errors import BundlerError
from tests.fuzz.targets import TARGETS, FuzzTarget, sample_set

EXAMPLES = 40


@pytest.mark.parametrize("target", TARGETS.values(), ids=str)
def test_changed_samples(target: FuzzTarget, tmp_path: Path) -> None:
    starts = sample_set(target)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, len(starts) - 1), st.integers(0, 3), st.integers(0, 1 << 32))
    def reads(start: int, times: int, seed: int) -> None:
        rng, data = random.Random(seed), starts[start]
        for _ in range(times):
            data = target.mutate(data, rng)
        read(target, data, tmp_path)

    reads()


@pytest.mark.parametrize("target", TARGETS.values(), ids=str)
def test_any_bytes(target: FuzzTarget, tmp_path: Path) -> None:
    @settings(max_examples=EXAMPLES // 2, deadline=None, database=None, derandomize=True)
    @given(st.binary(max_size=2000))
    def reads(data: bytes) -> None:
        read(target, data, tmp_path)

    reads()


@pytest.mark.parametrize("target", TARGETS.values(), ids=str)
def test_a_sound_sample_is_read(target: FuzzTarget, tmp_path: Path) -> None:
    # Otherwise the fuzzers would never get behind the first check.
    assert any(read(target, data, tmp_path) for data in sample_set(target))


def read(target: FuzzTarget, data: bytes, folder: Path) -> bool:
    """Whether the reader takes ``data``; what it raises but a BundlerError is a finding."""
    try:
        target.read(data, folder)
    except BundlerError:
        return False
    return True
