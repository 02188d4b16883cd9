"""What a transfer may take, settable in the environment."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass

from bundler.errors import UsageError

WINDOW_SECONDS = 30.0
"""The time over which a rate is measured: a host that says nothing is given up after it."""


@dataclass(frozen=True, slots=True)
class TransferLimits:
    """The bounds of each transfer, and the variables that set them.

    ``deadline`` (``BUNDLE_HTTP_DEADLINE``): seconds that a file may take, attempts together.
    ``least_rate`` (``BUNDLE_HTTP_LEAST_RATE``): bytes a second, over `WINDOW_SECONDS`; 0 allows
    any.
    ``largest`` (``BUNDLE_HTTP_LARGEST``): bytes of a file whose size nobody told.
    """

    deadline: float = 3600.0
    least_rate: float = 1024.0
    largest: float = float(8 << 30)


def transfer_limits(environment: Mapping[str, str] = os.environ) -> TransferLimits:
    """The limits that the environment sets. Raises UsageError for what is not a number."""
    standard = TransferLimits()
    return TransferLimits(
        _number(environment, "BUNDLE_HTTP_DEADLINE", standard.deadline, 1),
        _number(environment, "BUNDLE_HTTP_LEAST_RATE", standard.least_rate, 0),
        _number(environment, "BUNDLE_HTTP_LARGEST", standard.largest, 1),
    )


def _number(environment: Mapping[str, str], name: str, standard: float, least: float) -> float:
    text = environment.get(name)
    if not text:
        return standard
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value < 1e15:
        raise UsageError(
            f"{name} is {text[:80]!r}.",
            f"Expected a number of at least {least:g}.",
            f"Change or unset it; without it, {standard:g} counts.",
        )
    return value
