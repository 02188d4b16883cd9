"""Named rules that leave out of an archive what a job does not use.

A rule is on by default only where nothing can break. Every RECORD stays true for what is left.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bundler.archive.entry import Entry
from bundler.errors import option, unknown
from bundler.slim.arrow import ARROW_SERVICES
from bundler.slim.patterns import BYTECODE, HEADERS, JARS, STATIC_LIBRARIES, TEST_MODULES
from bundler.slim.records import with_true_records
from bundler.slim.rule import Rule, Slimming
from bundler.slim.symbols import SYMBOLS
from bundler.slim.tests import TESTS
from bundler.support.cache import Cache
from bundler.support.progress import SILENT, Progress

RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        BYTECODE,
        TESTS,
        JARS,
        HEADERS,
        STATIC_LIBRARIES,
        ARROW_SERVICES,
        TEST_MODULES,
        SYMBOLS,
    )
}
"""Every rule by its name, in the order in which they are applied."""

DEFAULT_RULES: tuple[str, ...] = tuple(rule.name for rule in RULES.values() if rule.default)


def check_rules(rules: Iterable[str]) -> None:
    """Raise UsageError if one of ``rules`` is none of `RULES`."""
    for name in rules:
        if name not in RULES:
            raise unknown(
                "slimming rule", name, RULES, f"Change {option('slim')}; --no-slim keeps all files."
            )


def slim(
    entries: Sequence[Entry],
    rules: Sequence[str] = DEFAULT_RULES,
    *,
    cache: Cache | None = None,
    progress: Progress = SILENT,
) -> list[Entry]:
    """The entries that ``rules`` (names of `RULES`, applied in that order) leave.

    Only files in site-packages are touched, found by the RECORD files there; they are brought
    up to date. ``cache`` keeps stripped libraries and what was read about packages' tests;
    without it the ``symbols`` rule does nothing.

    Raises UsageError for a rule that does not exist.
    """
    check_rules(rules)
    records = [entry for entry in entries if entry.name.endswith(".dist-info/RECORD")]
    if not rules or not records:
        return list(entries)
    sites = {entry.name.rsplit("/", 2)[0] if entry.name.count("/") > 1 else "" for entry in records}
    for site in sorted(sites):
        slimming = Slimming(f"{site}/" if site else "", cache, progress)
        kept = list(entries)
        for name in RULES:
            if name in rules:
                kept = RULES[name].apply(kept, slimming)
        if len(kept) != len(entries) or slimming.changed:
            kept = with_true_records(kept, slimming)
        entries = kept
    return list(entries)
