"""What each Flink release supports and needs: data, and who reads it."""

from __future__ import annotations

from dataclasses import dataclass

from bundler.errors import UsageError, option


@dataclass(frozen=True, slots=True)
class FlinkLine:
    """One minor line of Flink: its releases, the CPythons with a wheel, the Java versions."""

    line: str
    releases: tuple[str, ...]
    pythons: tuple[str, ...]
    java: tuple[int, ...]
    uninstallable: tuple[str, ...] = ()

    @property
    def newest(self) -> str:
        """The newest release of the line."""
        return self.releases[-1]


def _line(
    line: str, patches: str, pythons: str, java: tuple[int, ...], uninstallable: str = ""
) -> FlinkLine:
    return FlinkLine(
        line,
        tuple(f"{line}.{patch}" for patch in patches.split()),
        tuple(pythons.split()),
        java,
        tuple(f"{line}.{patch}" for patch in uninstallable.split()),
    )


FLINK_LINES: dict[str, FlinkLine] = {
    row.line: row
    for row in (
        _line("1.12", "0 1 2 3 4 5", "3.5 3.6 3.7 3.8", (8, 11)),
        _line("1.13", "0 1 2 3 5 6", "3.6 3.7 3.8", (8, 11), "3 5"),
        _line("1.14", "0 2 3 4 5 6", "3.6 3.7 3.8", (8, 11)),
        _line("1.15", "0 1 2 3 4", "3.6 3.7 3.8", (8, 11)),
        _line("1.16", "0 1 2 3", "3.6 3.7 3.8 3.9", (8, 11)),
        _line("1.17", "0 1 2", "3.7 3.8 3.9 3.10", (8, 11)),
        _line("1.18", "0 1", "3.7 3.8 3.9 3.10", (8, 11, 17)),
        _line("1.19", "0 1 2 3", "3.8 3.9 3.10 3.11", (8, 11, 17)),
        _line("1.20", "0 1 2 3 4 5", "3.8 3.9 3.10 3.11", (8, 11, 17)),
        _line("2.0", "0 1 2", "3.8 3.9 3.10 3.11", (11, 17, 21)),
        _line("2.1", "0 1 2 3", "3.9 3.10 3.11 3.12", (11, 17, 21)),
        _line("2.2", "0 1", "3.9 3.10 3.11 3.12", (11, 17, 21)),
        _line("2.3", "0", "3.9 3.10 3.11 3.12", (11, 17, 21)),
    )
}


_LAST_PATCH = {
    "3.5": 10, "3.6": 15, "3.7": 17, "3.8": 20, "3.9": 25, "3.10": 20, "3.11": 15, "3.12": 13,
    "3.13": 12, "3.14": 3,
}  # fmt: skip


def flink_line(version: str) -> FlinkLine:
    """The line that the release ``version`` ("2.2.1") or the line name ("2.2") belongs to.

    Raises UsageError if the release does not exist or cannot be installed.
    """
    parts = version.split(".")
    line = FLINK_LINES.get(".".join(parts[:2]))
    if line is None or (len(parts) > 2 and version not in line.releases):
        known = line.releases if line else tuple(row.newest for row in FLINK_LINES.values())
        raise UsageError(
            f"Flink {version[:80]} is not a release that PyFlink was published for.",
            f"Known{' of this line' if line else ', the newest of each line'}: {', '.join(known)}.",
            f"Choose one of these with {option('flink')}.",
        )
    if version in line.uninstallable:
        raise UsageError(
            f"apache-flink {version} cannot be installed: the index no longer has the "
            "apache-flink-libraries release it requires.",
            "Expected a release whose requirements exist.",
            f"Choose {line.newest} with {option('flink')}.",
        )
    return line


def newest_flink_for(python: str) -> str:
    """The newest Flink release with a wheel for the CPython minor version ``python`` ("3.7")."""
    lines = list(FLINK_LINES.values())
    for line in reversed(lines):
        if python in line.pythons:
            return line.newest
    raise UsageError(
        f"No PyFlink release has a wheel for Python {python}.",
        f"The newest is {lines[-1].newest}, for Python {', '.join(lines[-1].pythons)}.",
        f"Choose one of these with {option('python')}.",
    )


def _lines_for(python: str | None) -> str:
    return ", ".join(row.newest for row in FLINK_LINES.values() if python in row.pythons)
