"""How long Flink's REST API may take, and how much it may send."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from bundler.errors import UsageError

SECONDS_VARIABLE = "BUNDLE_REST_TIMEOUT"


@dataclass(frozen=True, slots=True)
class RestLimits:
    """What a master may take: ``seconds`` for an answer, from the connection to its last byte;
    ``rate`` in bytes a second, that an upload must keep; ``size`` of an answer in bytes.
    """

    seconds: float = 60.0
    rate: int = 16 << 10
    size: int = 16 << 20

    @classmethod
    def of_environment(cls, environment: Mapping[str, str] = os.environ) -> RestLimits:
        """The limits, with ``BUNDLE_REST_TIMEOUT`` as ``seconds``.

        Raises UsageError for a value that is not a positive number.
        """
        given = environment.get(SECONDS_VARIABLE)
        if not given:
            return cls()
        try:
            seconds = float(given)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise UsageError(
                f"{SECONDS_VARIABLE} is '{given}'.",
                "Expected the seconds that an answer of Flink's REST API may take.",
                "Change or unset it (default: 60).",
            )
        return cls(seconds)
