"""One tree of errors; every one says what was found, what was expected and what to do next.

The number is the exit status of the command::

    BundlerError            1
    +-- UsageError          2  a flag, a file that a person wrote, or a value is wrong
    +-- ResolutionError     3  requirements without a solution, or a lock that does not fit
    |   +-- MetadataError   3  the metadata of a source cannot be read on this machine
    +-- BuildError          4  a wheel, a base or an archive could not be made
    +-- JobError            5  a job was refused, failed, or its cluster did
    +-- VerificationError   6  an archive or a wheel would not work on the target
    +-- FetchError          7  a download failed, or its bytes are not the promised ones
    +-- InternalError      70  a mistake of the command itself

What several rooms say is said here once: `not_cached`, `missing_extra`, `unknown`, and `option`
for the name that a setting has on the command line and in bundle.toml.
"""

from __future__ import annotations

from collections.abc import Iterable

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


class InternalError(BundlerError):
    """A mistake of the command itself; ``remedy`` names the report that was saved."""

    exit_code = 70


EXIT_CODES = {
    0: "success",
    2: "wrong usage",
    3: "unsolvable requirements",
    4: "failed build",
    5: "failed job",
    6: "would not work on the target",
    7: "failed download",
    70: "error in bundle itself",
    129: "terminal closed (SIGHUP)",
    130: "interrupted (Ctrl-C)",
    141: "output closed (SIGPIPE)",
    143: "terminated (SIGTERM)",
}
"""What each exit status of the command means, in a few words."""


class MetadataError(ResolutionError):
    """The metadata of a source cannot be read: its build backend fails on this machine."""


OPTIONS = {
    "base": ("--base", "venv.base"),
    "builder": ("--builder", "build.builder"),
    "channels": ("", "venv.channels"),
    "environment": ("--environment", "venv.environment"),
    "exclude-venv": ("--exclude-in", "deps.exclude-venv"),
    "flink": ("--flink", "target.flink"),
    "from-prefix": ("--from-prefix", "venv.from-prefix"),
    "image": ("--image", "build.image"),
    "jars": ("--jar", "jars.files"),
    "keep-jars": ("--keep-jars", "venv.keep-jars"),
    "network": ("--network", "build.network"),
    "no-deps": ("--no-deps", "deps.no-deps"),
    "parallelism": ("--parallelism", "job.parallelism"),
    "platform": ("--platform", "target.platform"),
    "plugins": ("--plugin", "venv.plugins"),
    "python": ("--python", "target.python"),
    "requirements": ("--requirements", "deps.requirements"),
    "script": ("--script", "job.script"),
    "slim": ("--slim", "venv.slim"),
}
"""Where a person sets what a message is about: the flag, and the key of bundle.toml."""


def option(name: str, value: str = "") -> str:
    """How a message calls the setting ``name``: ``--python or target.python``.

    With a ``value``, as one would write it: ``--base conda or venv.base = "conda"``. Raises
    KeyError for a name that `OPTIONS` does not have.
    """
    flag, key = OPTIONS[name]
    if value:
        flag, key = flag and f"{flag} {value}", key and f'{key} = "{value}"'
    return " or ".join(filter(None, (flag, key)))


def not_cached(what: str) -> FetchError:
    """The error to show for ``what`` if only the cache may be read and does not have it.

    ``what`` names one thing or several: "the clone of demo", "a.whl, b.whl".
    """
    return FetchError(
        f"Not in the cache: {what}.",
        "With --offline only the cache is read.",
        "Run once without --offline.",
    )


def missing_extra(extra: str, purpose: str, error: ImportError) -> UsageError:
    """The error to show where ``purpose`` needs packages of an extra that are not installed.

    ``purpose`` begins the sentence ("A container build"); ``error`` is what the import raised.
    """
    return UsageError(
        f"{purpose} needs the Python package {error.name or error}, which is not installed.",
        f"It comes with the extra {extra!r} of flink-bundler.",
        f"Run: pip install 'flink-bundler[{extra}]'",
    )


def unknown(kind: str, value: str, known: Iterable[str], remedy: str = "") -> UsageError:
    """The error to show for a ``value`` that is none of ``known``; ``kind`` says of what.

    ``remedy`` says where to change it, or what else can be done.
    """
    return UsageError(f"Unknown {kind} {value!r}.", f"Choose from {', '.join(known)}.", remedy)
