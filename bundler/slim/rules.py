"""Named rules that leave out of an archive what a job does not use.

A rule is on by default only where nothing can break. Every RECORD stays true for what is left.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from bundler.archive.content import blocks, crc_of, whole
from bundler.archive.entry import Entry, Inline, Member, OnDisk
from bundler.archive.read import zip_entries
from bundler.archive.record import Row, encoded, parse_record, render_record
from bundler.archive.writer import write_archive
from bundler.elf.strip import strip
from bundler.errors import BundlerError, option, unknown
from bundler.support.cache import Cache
from bundler.support.files import sha256_of, whole_folder
from bundler.support.progress import SILENT, Progress


@dataclass(slots=True)
class _Job:
    """One slimming: where site-packages is, and rows of RECORD for files that were changed."""

    site: str
    cache: Cache | None
    progress: Progress
    changed: dict[str, Row] = field(default_factory=dict)

    def inside(self, entry: Entry) -> str:
        """The name relative to site-packages; "" for what is not in there."""
        return entry.name[len(self.site) :] if entry.name.startswith(self.site) else ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A named rule: what it leaves out, for people; whether it is in `DEFAULT_RULES`."""

    name: str
    description: str
    default: bool
    apply: Callable[[Sequence[Entry], _Job], list[Entry]]


def _without(pattern: str) -> Callable[[Sequence[Entry], _Job], list[Entry]]:
    matches = re.compile(pattern).search

    def apply(entries: Sequence[Entry], job: _Job) -> list[Entry]:
        return [entry for entry in entries if not matches(job.inside(entry))]

    return apply


_TESTS = re.compile(r"^(.+?/tests?)/")
_NO_PROGRAM = re.compile(r"(?:^|/)(?:test_[^/]*|[^/]*_tests?|conftest|setup)\.py$")
_FROM = re.compile(
    rb"^[ \t]*from[ \t]+([.\w]+)[ \t]+import[ \t]+(\([^)]*\)|(?:\\\n|[^\n])*)", re.MULTILINE
)
_IMPORT = re.compile(rb"^[ \t]*import[ \t]+([^\n]+)", re.MULTILINE)
_DOTTED = re.compile(rb"""["']((?:\w+\.)+tests?(?:\.\w+)*)["']""")


def _without_tests(entries: Sequence[Entry], job: _Job) -> list[Entry]:
    """Drop a package's ``tests`` folder if no module that stays refers to it.

    Some do: numpy.testing imports numpy._core.tests since numpy 2.2.
    """
    folders: dict[str, str] = {}
    for entry in entries:
        if match := _TESTS.match(job.inside(entry)):
            folders[entry.name] = match[1]
    if not folders:
        return list(entries)
    used = _used_modules((entry for entry in entries if entry.name not in folders), job)
    kept = {
        folder
        for folder in set(folders.values())
        if any(f"{module}.".startswith(f"{folder.replace('/', '.')}.") for module in used)
    }
    return [entry for entry in entries if entry.name not in folders or folders[entry.name] in kept]


def _used_modules(entries: Iterable[Entry], job: _Job) -> set[str]:
    """Every module with a part named test or tests that the Python files mention."""
    by_owner: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.name.endswith(".py") and job.inside(entry) and not _NO_PROGRAM.search(entry.name):
            by_owner[entry.owner].append(entry)
    with ThreadPoolExecutor() as pool:
        found = pool.map(lambda group: _scanned(group, _mentioned, job), by_owner.values())
        return set().union(*found)


def _scanned(
    entries: Sequence[Entry], scan: Callable[[Entry, str], set[str]], job: _Job
) -> set[str]:
    """What ``scan`` finds in all of ``entries``, from the cache if it was found before."""
    place = None
    if job.cache is not None:
        listing = [(job.inside(entry), crc_of(entry.content), entry.size) for entry in entries]
        key = hashlib.sha256(repr((_SCAN, scan.__name__, listing)).encode()).hexdigest()
        place = job.cache.path("mentions", key, "mentions")
        try:
            return set(json.loads((place / "found.json").read_bytes()))
        except (OSError, ValueError):
            pass
    found = set().union(*(scan(entry, job.inside(entry)) for entry in entries))
    if place is not None:
        with whole_folder(place) as folder:
            (folder / "found.json").write_text(json.dumps(sorted(found)))
    return found


def _mentioned(entry: Entry, name: str) -> set[str]:
    data = whole(entry.content)
    return _mentions(data, name) if b"test" in data else set()


_SCAN = 1
"""Part of the cache key: to be raised when a scan would find something else."""


def _mentions(data: bytes, name: str) -> set[str]:
    package = posixpath.dirname(name).split("/")
    found = {match[1].decode(errors="replace") for match in _DOTTED.finditer(data)}
    for match in _IMPORT.finditer(data):
        if b"test" in match[1]:
            found |= {
                part.split()[0]
                for part in match[1].decode(errors="replace").split(",")
                if part.split()
            }
    for match in _FROM.finditer(data):
        if b"test" not in match[0]:
            continue
        module = match[1].decode(errors="replace")
        rest = module.lstrip(".")
        dots = len(module) - len(rest)
        if dots:
            module = ".".join([*package[: len(package) - dots + 1], *([rest] if rest else [])])
        names = re.findall(r"\w+", match[2].decode(errors="replace"))
        found |= {module, *(f"{module}.{name}" for name in names)}
    return {module for module in found if {"test", "tests"} & set(module.split("."))}


_ARROW_SERVICES = re.compile(
    r"^pyarrow/(?:lib)?_?(?:arrow_(?:python_)?)?(?:flight|substrait|plasma)[^/]*$"
    r"|^pyarrow/plasma-store-server$"
)
_ARROW_LIBRARY = re.compile(rb"lib(?:arrow_\w+|plasma)\.so[.\d]*")


def _without_arrow_services(entries: Sequence[Entry], job: _Job) -> list[Entry]:
    """Drop Flight, Substrait and Plasma, but not a library that one which stays is linked with.

    In pyarrow 20, libarrow_python needs libarrow_substrait.
    """
    arrow = [entry for entry in entries if job.inside(entry).startswith("pyarrow/")]
    dropped = {entry.name for entry in arrow if _ARROW_SERVICES.match(job.inside(entry))}
    looked_at: set[str] = set()
    while True:
        staying = [
            entry
            for entry in arrow
            if ".so" in entry.name and entry.name not in dropped | looked_at
        ]
        if not staying:
            return [entry for entry in entries if entry.name not in dropped]
        looked_at |= {entry.name for entry in staying}
        needed = _scanned(staying, _linked, job)
        dropped = {name for name in dropped if posixpath.basename(name) not in needed}


def _linked(entry: Entry, name: str) -> set[str]:
    found: set[str] = set()
    tail = b""
    for block in blocks(entry.content):
        data = tail + block
        found |= {match.decode() for match in _ARROW_LIBRARY.findall(data)}
        tail = data[-100:]
    return found - {posixpath.basename(name)}


def _without_symbols(entries: Sequence[Entry], job: _Job) -> list[Entry]:
    """Replace shared libraries by ones without symbols; needs a cache to keep them in."""
    if job.cache is None:
        return list(entries)
    libraries = [
        entry
        for entry in entries
        if isinstance(entry.content, Member)
        and re.search(r"\.so(\.[\d.]+)?$", entry.name)
        and job.inside(entry)
    ]
    replaced: dict[str, Entry] = {}
    with job.progress.task("Stripping symbols", len(libraries), "libraries") as task:
        for entry in libraries:
            stripped = _stripped(entry, job.cache)
            if stripped is not None:
                replaced[entry.name], row = stripped
                job.changed[entry.name] = row
            task.advance()
    return [replaced.get(entry.name, entry) for entry in entries]


_STRIPPER = 2
"""Part of the cache key: to be raised when `strip` would give other bytes."""


def _stripped(entry: Entry, cache: Cache) -> tuple[Entry, Row] | None:
    assert isinstance(entry.content, Member)
    # What identifies the bytes without inflating them: two libraries that agree in all of this
    # and in their compressed bytes are the same.
    digest = hashlib.sha256(repr((_STRIPPER, entry.content.crc, entry.size)).encode())
    for block in blocks(replace(entry.content, method=0)):
        digest.update(block)
    folder = cache.path("stripped", digest.hexdigest(), "library")
    found = _read_stripped(folder)
    if found is None:
        with cache.lock(f"stripped-{digest.hexdigest()[:16]}"):
            _strip(entry, folder)
        found = _read_stripped(folder)
    if found is None or found[0] is None:
        return None
    return replace(entry, content=found[0]), found[1]


def _read_stripped(folder: Path) -> tuple[Member | None, Row] | None:
    """The kept library and its hash; None for the library if there was nothing to strip."""
    try:
        facts = json.loads((folder / "facts.json").read_bytes())
        row = Row("", facts["hash"], str(facts["size"]))
        if not facts["archive"]:
            return None, row
        archive = folder / "library.zip"
        if sha256_of(archive) != facts["archive"]:
            return None
        content = zip_entries(archive)[0].content
        return (content, row) if isinstance(content, Member) else None
    except (OSError, ValueError, KeyError, IndexError, BundlerError):
        return None


def _strip(entry: Entry, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    with whole_folder(folder) as temporary, tempfile.TemporaryDirectory(dir=temporary) as scratch:
        before, after = Path(scratch, "before"), Path(scratch, "after")
        with before.open("wb") as file:
            for block in blocks(entry.content):
                file.write(block)
        facts = {"archive": "", "hash": "", "size": entry.size}
        if strip(before, after, symbols=True):
            size = after.stat().st_size
            archive = write_archive(
                [Entry("library.so", entry.mode, OnDisk(after, size))], temporary / "library.zip"
            )
            digest = bytes.fromhex(sha256_of(after))
            facts = {"archive": archive.sha256, "hash": encoded(digest), "size": size}
        (temporary / "facts.json").write_text(json.dumps(facts))


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            "bytecode",
            "__pycache__: it depends on when and where it was compiled",
            True,
            _without(r"(?:^|/)__pycache__/[^/]*\.py[co]$"),
        ),
        Rule(
            "tests",
            "tests and test folders of packages that no module outside of them mentions",
            True,
            _without_tests,
        ),
        Rule(
            "jars",
            "Flink's JARs in the pyflink package, which the cluster has",
            True,
            _without(r"^pyflink/(?:lib|opt|plugins)/"),
        ),
        Rule(
            "headers",
            "C and C++ headers and sources, Cython sources; packages that compile at run time "
            "(Triton, CuPy) need them",
            False,
            _without(r".\.(?:h|hh|hpp|hxx|cuh|inl|c|cc|cpp|cxx|pyx|pxd|pxi)$"),
        ),
        Rule(
            "static-libs",
            "libraries to link against (.a); packages that link at run time need them",
            False,
            _without(r".\.a$"),
        ),
        Rule(
            "arrow-services",
            "pyarrow's Flight, Substrait and Plasma, which PyFlink does not use",
            False,
            _without_arrow_services,
        ),
        Rule(
            "test-modules",
            "modules of Apache Beam that hold its own tests (*_test.py), and its examples",
            False,
            _without(r"^apache_beam/(?:.*_test\.py$|examples/)"),
        ),
        Rule(
            "symbols",
            "symbol tables and debug sections of shared libraries, which only debuggers read",
            False,
            _without_symbols,
        ),
    )
}

DEFAULT_RULES: tuple[str, ...] = tuple(rule.name for rule in RULES.values() if rule.default)
STRONG_RULES: tuple[str, ...] = tuple(RULES)


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

    Only what lies in site-packages is touched, found by the RECORD files there; they are brought
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
        job = _Job(f"{site}/" if site else "", cache, progress)
        kept = list(entries)
        for name in RULES:
            if name in rules:
                kept = RULES[name].apply(kept, job)
        entries = _with_true_records(kept, len(entries), job)
    return list(entries)


def _with_true_records(entries: list[Entry], before: int, job: _Job) -> list[Entry]:
    if len(entries) == before and not job.changed:
        return entries
    names = {entry.name for entry in entries}
    return [
        _true_record(entry, names, job)
        if entry.name.endswith(".dist-info/RECORD") and job.inside(entry)
        else entry
        for entry in entries
    ]


def _true_record(entry: Entry, names: set[str], job: _Job) -> Entry:
    rows = parse_record(whole(entry.content))
    kept = []
    for row in rows:
        name = job.site + row.path
        if row.path.startswith("../"):
            name = posixpath.normpath(name)
        if name in names:
            kept.append(_updated(row, name, job.changed))
    return entry if kept == rows else replace(entry, content=Inline(render_record(kept)))


def _updated(row: Row, name: str, changed: Mapping[str, Row]) -> Row:
    if name not in changed:
        return row
    return row._replace(hash=changed[name].hash, size=changed[name].size)
