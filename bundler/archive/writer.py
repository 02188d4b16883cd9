"""Entries become a zip: compressed bytes are copied as they are, only files on disk are deflated.

Same entries, same bytes: sorted names, one time, nothing of this machine. The zip is what Flink's
unzip needs (design, decision 8): Unix modes, deflated or stored, no name twice, no link that leads
out or that changes its target's mode. Fields follow APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

import json
import os
import posixpath
import stat
import struct
import tempfile
import time
import zlib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bundler.archive.content import BLOCK, whole
from bundler.archive.directory import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    END,
    END64,
    END64_LOCATOR,
    END64_LOCATOR_SIGNATURE,
    END64_SIGNATURE,
    END_SIGNATURE,
    LOCAL,
    LOCAL_SIGNATURE,
    MAX16,
    MAX32,
    STORED,
    UNIX,
    UTF8,
    ZIP64_EXTRA,
    is_unsafe,
)
from bundler.archive.entry import Entry, Inline, Member, OnDisk, text_entry
from bundler.archive.links import leaves
from bundler.archive.output import Output
from bundler.errors import BuildError, UsageError
from bundler.support.files import whole_file
from bundler.support.progress import SILENT, Progress, Task

MANIFEST_NAME = "bundle-manifest.json"

_REPORT = 4 << 20
_WINDOW = 16
_OPEN_SOURCES = 64
_LINKS = 40
_DICTIONARY = 1 << 15
_LEVEL = 6
_SHRINKS = 0.95
_VERSION, _VERSION_ZIP64 = 20, 45
_1980 = 315532800


@dataclass(frozen=True, slots=True)
class Archive:
    """A finished zip: ``size`` in bytes, ``sha256`` in hexadecimal, number of ``entries``."""

    path: Path
    size: int
    sha256: str
    entries: int


def write_archive(
    entries: Sequence[Entry],
    out: Path,
    *,
    manifest: Mapping[str, object] | None = None,
    progress: Progress = SILENT,
) -> Archive:
    """Write ``entries``, and ``manifest`` as `MANIFEST_NAME`, to ``out``: whole, or not at all.

    File times are SOURCE_DATE_EPOCH, or 1980 without it. Memory stays below some tens of
    megabytes, whatever the sizes.

    Raises BuildError for two entries of one name, names or symlinks that lead out of the archive,
    and files that change meanwhile; UsageError or BuildError when ``out`` cannot be written.
    """
    if manifest is not None:
        text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        entries = [*entries, text_entry(MANIFEST_NAME, text, owner="The manifest")]
    ordered = _ordered(entries)
    total = sum(entry.size for entry in ordered)
    with whole_file(out) as temporary, ExitStack() as stack:
        output = stack.enter_context(Output.open(temporary))
        writer = _Writer(output, out.parent, stack)
        with progress.task(f"Writing {out.name}", total, "B") as task:
            writer.write(ordered, task)
        size, digest = output.finish()
    return Archive(out, size, digest, len(ordered))


def _ordered(entries: Sequence[Entry]) -> list[Entry]:
    ordered = sorted(entries, key=lambda entry: entry.name)
    by_name: dict[str, Entry] = {}
    for entry in ordered:
        if (other := by_name.setdefault(entry.name, entry)) is not entry:
            raise BuildError(
                f"{entry.name} is there twice: {_who(other)} and {_who(entry)}.",
                "Flink aborts on a zip that has one name twice.",
                "Leave one of the two out.",
            )
        if is_unsafe(entry.name):
            raise BuildError(
                f"'{entry.name}' ({_who(entry)}) is not a name for an archive.",
                "Expected a relative path without '..' or backslashes.",
                "Rename the file, or leave it out.",
            )
    return [_settled(entry, by_name) if entry.is_symlink else entry for entry in ordered]


def _settled(link: Entry, by_name: Mapping[str, Entry]) -> Entry:
    """The symlink with the mode of its target: Flink's unzip gives the target the link's mode."""
    place: Entry | None = link
    for _ in range(_LINKS):
        assert place is not None
        name, target = place.name, whole(place.content).decode()
        if leaves(name, target):
            raise BuildError(
                f"{name} is a symlink to {target}, which is not in the archive.",
                "Flink breaks absolute links, and what they point to is not on the workers.",
                "Replace the link by what it points to.",
            )
        place = by_name.get(posixpath.normpath(posixpath.join(posixpath.dirname(name), target)))
        if place is None or not place.is_symlink:
            break
    mode = place.mode & 0o777 if place else 0o755
    return replace(link, mode=stat.S_IFLNK | mode)


def _who(entry: Entry) -> str:
    return entry.owner or "no owner"


def _dos_time() -> tuple[int, int]:
    """SOURCE_DATE_EPOCH (reproducible-builds.org) as the zip's (date, time), in UTC."""
    given = os.environ.get("SOURCE_DATE_EPOCH") or str(_1980)
    try:
        when = time.gmtime(max(int(given), _1980))
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"SOURCE_DATE_EPOCH is '{given}'.",
            "Expected a number of seconds since 1970.",
            "Correct it, or unset it: files are then dated 1980.",
        ) from error
    date = min(when.tm_year - 1980, 127) << 9 | when.tm_mon << 5 | when.tm_mday
    return date, when.tm_hour << 11 | when.tm_min << 5 | when.tm_sec // 2


@dataclass(slots=True)
class _Unit:
    """One step of writing: an entry, or one block of a large file that is being deflated."""

    entry: Entry
    deflated: Future[tuple[bytes, bytes]] | None = None
    first: bool = True
    last: bool = True


class _Writer:
    """Writes local headers, data and at the end the central directory."""

    def __init__(self, output: Output, folder: Path, stack: ExitStack) -> None:
        self._output = output
        self._date, self._time = _dos_time()
        self._central: list[bytes] = []
        self._sources: dict[Path, int] = {}
        self._stack = stack
        self._folder = folder
        self._spool: int | None = None
        stack.callback(self._close_sources)

    def write(self, entries: Sequence[Entry], task: Task) -> None:
        written = 0
        for unit in _units(entries, self._stack):
            if unit.deflated is not None:
                self._deflated(unit)
            elif isinstance(unit.entry.content, Member):
                self._member(unit.entry, unit.entry.content)
            elif isinstance(unit.entry.content, OnDisk):
                self._stored(unit.entry, unit.entry.content)
            else:
                self._plain(unit.entry, unit.entry.content.data)
            if unit.last:
                written += unit.entry.size
                if written >= _REPORT:
                    task.advance(written)
                    written = 0
        task.advance(written)
        self._directory()

    def _member(self, entry: Entry, content: Member) -> None:
        self._header(entry, content.method, content.crc, content.compressed_size, content.size)
        source = self._source(content.archive)
        if not self._output.copy(source, content.offset, content.compressed_size):
            raise _changed(entry, content.archive)

    def _plain(self, entry: Entry, data: bytes) -> None:
        self._header(entry, STORED, zlib.crc32(data), len(data), len(data))
        self._output.write(data)

    def _stored(self, entry: Entry, content: OnDisk) -> None:
        """A large file that does not shrink: read once for its CRC and once to be copied."""
        crc = 0
        for block in _read(entry, content):
            crc = zlib.crc32(block, crc)
        self._header(entry, STORED, crc, content.size, content.size)
        again = 0
        for block in _read(entry, content):
            again = zlib.crc32(block, again)
            self._output.write(block)
        if again != crc:
            raise _changed(entry, content.path)

    def _deflated(self, unit: _Unit) -> None:
        assert unit.deflated is not None
        raw, data = unit.deflated.result()
        if unit.first:
            self._crc = self._size = self._compressed = 0
        self._crc = zlib.crc32(raw, self._crc)
        self._size += len(raw)
        if unit.first and unit.last:
            if len(data) < len(raw):
                self._header(unit.entry, DEFLATED, self._crc, len(data), len(raw))
                self._output.write(data)
            else:
                self._plain(unit.entry, raw)
            return
        self._spooled(data)
        if unit.last:
            size = self._compressed
            self._header(unit.entry, DEFLATED, self._crc, size, self._size)
            assert self._spool is not None
            self._output.copy(self._spool, 0, size)

    def _spooled(self, data: bytes) -> None:
        if self._spool is None:
            spool = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115
            self._spool = self._stack.enter_context(spool).fileno()
        view = memoryview(data)
        while view:
            count = os.pwrite(self._spool, view, self._compressed)
            self._compressed += count
            view = view[count:]

    def _header(self, entry: Entry, method: int, crc: int, compressed: int, size: int) -> None:
        name = entry.name.encode()
        flags = 0 if len(name) == len(entry.name) else UTF8
        offset = self._output.position
        local_extra = extra = b""
        version = _VERSION
        if size >= MAX32 or compressed >= MAX32:
            local_extra = extra = struct.pack("<2H2Q", ZIP64_EXTRA, 16, size, compressed)
            size = compressed = MAX32
        if offset >= MAX32:
            values = extra[4:] + struct.pack("<Q", offset)
            extra = struct.pack("<2H", ZIP64_EXTRA, len(values)) + values
            offset = MAX32
        if extra:
            version = _VERSION_ZIP64
        common = (flags, method, self._time, self._date, crc, compressed, size, len(name))
        self._output.write(
            LOCAL.pack(LOCAL_SIGNATURE, version, *common, len(local_extra)) + name + local_extra
        )
        made_by = UNIX << 8 | version
        self._central.append(
            CENTRAL.pack(
                CENTRAL_SIGNATURE,
                made_by,
                version,
                *common,
                len(extra),
                0,
                0,
                0,
                entry.mode << 16,
                offset,
            )
            + name
            + extra
        )

    def _directory(self) -> None:
        count, start = len(self._central), self._output.position
        for record in self._central:
            self._output.write(record)
        end = self._output.position
        size = end - start
        if count >= MAX16 or start >= MAX32 or size >= MAX32:
            version = (UNIX << 8 | _VERSION_ZIP64, _VERSION_ZIP64)
            self._output.write(
                END64.pack(
                    END64_SIGNATURE, END64.size - 12, *version, 0, 0, count, count, size, start
                )
                + END64_LOCATOR.pack(END64_LOCATOR_SIGNATURE, 0, end, 1)
            )
        count = min(count, MAX16)
        self._output.write(
            END.pack(END_SIGNATURE, 0, 0, count, count, min(size, MAX32), min(start, MAX32), 0)
        )

    def _source(self, path: Path) -> int:
        descriptor = self._sources.get(path)
        if descriptor is None:
            if len(self._sources) >= _OPEN_SOURCES:
                self._close_sources()
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except OSError as error:
                raise _unreadable(path, error) from error
            self._sources[path] = descriptor
        return descriptor

    def _close_sources(self) -> None:
        for descriptor in self._sources.values():
            os.close(descriptor)
        self._sources.clear()


def _units(entries: Sequence[Entry], stack: ExitStack) -> Iterator[_Unit]:
    """The steps in order, with those that deflate begun some blocks ahead of their turn."""
    pool = ThreadPoolExecutor(os.cpu_count() or 1)
    stack.callback(pool.shutdown, cancel_futures=True)
    ahead: deque[_Unit] = deque()
    running = 0
    for unit in _planned(entries, pool):
        ahead.append(unit)
        running += unit.deflated is not None
        while ahead and (running >= _WINDOW or ahead[0].deflated is None):
            ready = ahead.popleft()
            running -= ready.deflated is not None
            yield ready
    yield from ahead


def _planned(entries: Sequence[Entry], pool: ThreadPoolExecutor) -> Iterator[_Unit]:
    for entry in entries:
        content = entry.content
        if isinstance(content, Inline) and not entry.is_symlink and content.data:
            yield _Unit(entry, pool.submit(_deflate_bytes, content.data))
        elif isinstance(content, OnDisk) and content.size <= BLOCK:
            yield _Unit(entry, pool.submit(_deflate_block, entry, content, 0))
        elif isinstance(content, OnDisk) and _shrinks(content):
            for offset in range(0, content.size, BLOCK):
                deflated = pool.submit(_deflate_block, entry, content, offset)
                yield _Unit(entry, deflated, offset == 0, offset + BLOCK >= content.size)
        else:
            yield _Unit(entry)


def _deflate_bytes(data: bytes) -> tuple[bytes, bytes]:
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return data, deflate.compress(data) + deflate.flush()


def _deflate_block(entry: Entry, content: OnDisk, offset: int) -> tuple[bytes, bytes]:
    """One block, raw and deflated, so that the deflated blocks of a file make one stream.

    Each starts from the bytes before it as its dictionary and ends on a byte boundary: what
    blocks are deflated together, or by how many threads, does not change the result.
    """
    size = min(BLOCK, content.size - offset)
    before = min(_DICTIONARY, offset)
    with _reading(content.path), content.path.open("rb", buffering=0) as file:
        data = os.pread(file.fileno(), before + size, offset - before)
        at_end = len(data) == before + size
        if offset + size == content.size and os.fstat(file.fileno()).st_size != content.size:
            at_end = False
    if not at_end:
        raise _changed(entry, content.path)
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, zdict=data[:before])
    raw = data[before:]
    last = offset + size == content.size
    return raw, deflate.compress(raw) + deflate.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


def _shrinks(content: OnDisk) -> bool:
    with _reading(content.path), content.path.open("rb", buffering=0) as file:
        sample = file.read(BLOCK // 4)
    return len(zlib.compress(sample, 1)) < len(sample) * _SHRINKS


def _read(entry: Entry, content: OnDisk) -> Iterator[bytes]:
    size = 0
    with _reading(content.path), content.path.open("rb", buffering=0) as file:
        while True:
            with _reading(content.path):
                block = file.read(BLOCK)
            if not block:
                break
            size += len(block)
            if size > content.size:
                break
            yield block
    if size != content.size:
        raise _changed(entry, content.path)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> BuildError:
    return BuildError(
        f"{path} cannot be read: {error.strerror or error}.",
        "It belongs into the archive.",
        "Put it back or give it read permission.",
    )


def _changed(entry: Entry, path: Path) -> BuildError:
    return BuildError(
        f"{path} changed while {entry.name} was written from it.",
        "Expected it to keep its bytes until the archive is done.",
        "Run the command again when nothing else writes there.",
    )
