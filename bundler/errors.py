"""One tree of errors; every one says what was found, what was expected and what to do next."""

from __future__ import annotations

from bundler.redact import redact


class BundlerError(Exception):
    """Base of all errors a user can cause or mend.

    ``found`` is what was met, ``expected`` what would have been right, ``remedy`` the next step.
    Secrets in them are hidden. ``exit_code`` is the exit status of the command line for this kind.
    """

    exit_code = 1

    def __init__(self, found: str, expected: str = "", remedy: str = "") -> None:
        self.found = redact(found)
        self.expected = redact(expected)
        self.remedy = redact(remedy)
        super().__init__(self.found)

    def __str__(self) -> str:
        return "\n".join(part for part in (self.found, self.expected, self.remedy) if part)


class UsageError(BundlerError):
    """A flag, a file that a person wrote, or a value is wrong."""

    exit_code = 2


class ResolutionError(BundlerError):
    """The requirements have no solution for the target, or a lock does not fit them."""

    exit_code = 3


class BuildError(BundlerError):
    """A wheel, a base or an archive could not be made."""

    exit_code = 4


class JobError(BundlerError):
    """A job was refused, failed, or its cluster did."""

    exit_code = 5


class VerificationError(BundlerError):
    """A finished archive or wheel would not work on the target."""

    exit_code = 6


class FetchError(BundlerError):
    """A file could not be downloaded, or its bytes are not the ones promised."""

    exit_code = 7


def not_installed(packages: str, error: ImportError) -> BuildError:
    """The error to show where ``packages``, of the extra ``container``, cannot be imported."""
    return BuildError(
        f"The packages {packages} are not installed.",
        f"{error.name} is missing.",
        "Install flink-bundler[container].",
    )
