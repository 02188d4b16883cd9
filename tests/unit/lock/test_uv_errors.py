"""What uv says, recorded, and what a person is told."""

from __future__ import annotations

import pytest

from bundler.errors import MetadataError
from bundler.lock.uv_errors import OTHERWISE, PATTERNS, uv_error
from bundler.target import Target

TARGET = Target.parse(flink="2.2.1", python="3.11")

# As uv 0.13.9 writes them, one for each pattern, in their order.
SAID = (
    "error: Request failed after 3 retries in 9.2s\n"
    "  cause: Failed to fetch: http://127.0.0.1:9/simple/six/\n"
    "  cause: tcp connect error\n",
    "error: No solution found when resolving dependencies\n"
    "  cause: Because six was not found in the cache and you require six, we can conclude that "
    "your requirements are unsatisfiable.\n\nhint: Packages were unavailable because the network "
    "was disabled. When the network is disabled, registry packages may only be read from the "
    "cache.\n",
    "error: No solution found when resolving dependencies\n"
    "  cause: Because missing was not found in the package registry and you require missing, we "
    "can conclude that your requirements are unsatisfiable.\n",
    "error: No solution found when resolving dependencies\n"
    "  cause: Because toonew==1.0 has no wheels with a matching platform tag (e.g., "
    "`manylinux_2_17`) and you require toonew, we can conclude that your requirements are "
    "unsatisfiable.\n",
    "error: Failed to download and build `x @ git+http://127.0.0.1:9/x`\n"
    "  cause: Git operation failed\n",
    "error: No solution found when resolving dependencies\n"
    "  cause: Because you require leaf>=2 and leaf==1.0, we can conclude that your requirements "
    "are unsatisfiable.\n",
)


@pytest.mark.parametrize(("pattern", "said"), list(zip(PATTERNS, SAID, strict=True)))
def test_each_pattern_has_its_remedy(pattern: object, said: str) -> None:
    error = uv_error(said, TARGET, with_constraints=True)
    assert error.remedy == pattern.remedy  # type: ignore[attr-defined]
    assert len(str(error).splitlines()) <= 3
    assert "error:" not in error.found
    assert "cause:" not in error.found


def test_anything_else_has_a_remedy_too() -> None:
    assert uv_error(SAID[-1], TARGET, with_constraints=False).remedy == OTHERWISE
    assert uv_error("", TARGET, with_constraints=False).remedy == OTHERWISE


def test_a_source_that_does_not_tell_its_metadata() -> None:
    said = (
        "error: Failed to build `x==1`\n  cause: The build backend returned an error\n"
        "  cause: Call to `backend.prepare` failed\n\n[stderr]\nImportError: numpy\n\n"
        "hint: something\n"
    )
    error = uv_error(said, TARGET, with_constraints=False)
    assert isinstance(error, MetadataError)
    assert error.found.endswith("could not be read: ImportError: numpy")


def test_what_uv_says_is_not_endless_and_hides_passwords() -> None:
    error = uv_error(
        "error: Failed to fetch: http://me:secret@h.example/simple\n" + "x" * 1_000_000,
        TARGET,
        with_constraints=False,
    )
    assert len(str(error)) < 10_000
    assert "secret" not in str(error)
