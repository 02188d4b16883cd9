"""Entries become a zip: compressed bytes are copied as they are, only files on disk are deflated.

Same entries, same bytes: sorted names, one time, nothing of this machine. The zip is what Flink's
unzip needs (design, decision 8): Unix modes, deflated or stored, no name twice, no link that leads
out or that changes its target's mode. Fields follow APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bundler.archive.arrange import arranged
from bundler.archive.content import BLOCK
from bundler.archive.deflate import Block, Spool, changed, reading, steps
from bundler.archive.entry import MANIFEST_NAME, Entry, Member, OnDisk, text_entry
from bundler.archive.output import Output
from bundler.archive.zipformat import (
    CENTRAL,
    CENTRAL_SIGNATURE,
    DEFLATED,
    END,
    END64,
    END64_LOCATOR,
    END64_LOCATOR_SIGNATURE,
    END64_SIGNATURE,
    END_SIGNATURE,
    FIRST_TIME,
    LOCAL,
    LOCAL_SIGNATURE,
    MAX16,
    MAX32,
    STORED,
    UNIX,
    UTF8,
    ZIP64_EXTRA,
)
from bundler.errors import UsageError
from bundler.support.files import whole_file
from bundler.support.progress import SILENT, Progress, Task

_REPORT = 4 << 20
_OPEN_SOURCES = 64
_VERSION, _VERSION_ZIP64 = 20, 45


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

    Raises BuildError for entries that no worker could unpack (see `arranged`) and files that
    change meanwhile; UsageError or BuildError when ``out`` cannot be written.
    """
    if manifest is not None:
        text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        entries = [*entries, text_entry(MANIFEST_NAME, text, owner="the manifest")]
    ordered = arranged(entries)
    total = sum(entry.size for entry in ordered)
    with whole_file(out) as temporary, ExitStack() as stack:
        output = stack.enter_context(Output.open(temporary))
        writer = _Writer(output, out.parent, stack)
        with progress.task(f"Writing {out.name}", total, "B") as task:
            writer.write(ordered, task)
        size, digest = output.finish()
    return Archive(out, size, digest, len(ordered))


def _dos_time() -> tuple[int, int]:
    """SOURCE_DATE_EPOCH (reproducible-builds.org) as the zip's (date, time), in UTC."""
    given = os.environ.get("SOURCE_DATE_EPOCH") or str(FIRST_TIME)
    try:
        when = time.gmtime(max(int(given), FIRST_TIME))
    except (ValueError, OverflowError, OSError) as error:
        raise UsageError(
            f"SOURCE_DATE_EPOCH is '{given}'.",
            "Expected a number of seconds since 1970.",
            "Set it to that number, or unset it to date all files 1980.",
        ) from error
    date = min(when.tm_year - 1980, 127) << 9 | when.tm_mon << 5 | when.tm_mday
    return date, when.tm_hour << 11 | when.tm_min << 5 | when.tm_sec // 2


class _Writer:
    """Writes local headers, data and at the end the central directory."""

    def __init__(self, output: Output, folder: Path, stack: ExitStack) -> None:
        self._output = output
        self._date, self._time = _dos_time()
        self._central: list[bytes] = []
        self._sources: dict[Path, int] = {}
        self._stack = stack
        self._spool = Spool(folder, stack)
        stack.callback(self._close_sources)

    def write(self, entries: Sequence[Entry], task: Task) -> None:
        written = 0
        for step in steps(entries, self._stack):
            if isinstance(step, Block):
                self._block(step)
                if not step.last:
                    continue
            else:
                self._plain(step.entry)
            written += step.entry.size
            if written >= _REPORT:
                task.advance(written)
                written = 0
        task.advance(written)
        self._directory()

    def _plain(self, entry: Entry) -> None:
        content = entry.content
        if isinstance(content, Member):
            self._spliced(entry, content)
        elif isinstance(content, OnDisk):
            self._stored(entry, content)
        else:
            self._bytes(entry, content.data)

    def _spliced(self, entry: Entry, content: Member) -> None:
        """Bytes that lie compressed in another zip are copied, neither inflated nor deflated."""
        self._header(entry, content.method, content.crc, content.compressed_size, content.size)
        source = self._source(content.archive)
        if not self._output.copy(source, content.offset, content.compressed_size):
            raise changed(entry, content.archive)

    def _bytes(self, entry: Entry, data: bytes) -> None:
        self._header(entry, STORED, zlib.crc32(data), len(data), len(data))
        self._output.write(data)

    def _stored(self, entry: Entry, content: OnDisk) -> None:
        """A large file that does not shrink: read once for its CRC and once to be copied.

        The header, which comes first, holds the CRC; the output cannot go back.
        """
        crc = 0
        for block in _read(entry, content):
            crc = zlib.crc32(block, crc)
        self._header(entry, STORED, crc, content.size, content.size)
        again = 0
        for block in _read(entry, content):
            again = zlib.crc32(block, again)
            self._output.write(block)
        if again != crc:
            raise changed(entry, content.path)

    def _block(self, block: Block) -> None:
        raw, data = block.deflated.result()
        entry = block.entry
        if block.first and block.last:
            if len(data) < len(raw):
                self._header(entry, DEFLATED, zlib.crc32(raw), len(data), len(raw))
                self._output.write(data)
            else:
                self._bytes(entry, raw)
            return
        if block.first:
            self._spool.clear()
        self._spool.add(raw, data)
        if block.last:
            sums = self._spool.sums
            self._header(entry, DEFLATED, sums.crc, sums.compressed, sums.size)
            self._output.copy(self._spool.descriptor, 0, sums.compressed)

    def _header(self, entry: Entry, method: int, crc: int, compressed: int, size: int) -> None:
        """Write the local header of an entry, and remember its row of the central directory.

        Numbers that do not fit 32 bits go into the zip64 field; the header then holds MAX32. The
        field has only those numbers, in the order sizes, offset; a local header has no offset.
        """
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
        # No comment, first disk, no internal attributes; the upper half of the external ones is
        # the Unix mode.
        rest = (len(extra), 0, 0, 0, entry.mode << 16, offset)
        self._central.append(
            CENTRAL.pack(CENTRAL_SIGNATURE, made_by, version, *common, *rest) + name + extra
        )

    def _directory(self) -> None:
        """The rows of all headers, and where they begin, once more in 64 bits if need be."""
        count, start = len(self._central), self._output.position
        for record in self._central:
            self._output.write(record)
        end = self._output.position
        size = end - start
        if count >= MAX16 or start >= MAX32 or size >= MAX32:
            version = (UNIX << 8 | _VERSION_ZIP64, _VERSION_ZIP64)
            # Its size is counted without the signature and the size itself.
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
            with reading(path):
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            self._sources[path] = descriptor
        return descriptor

    def _close_sources(self) -> None:
        for descriptor in self._sources.values():
            os.close(descriptor)
        self._sources.clear()


def _read(entry: Entry, content: OnDisk) -> Iterator[bytes]:
    """The blocks of a file. Raises BuildError if it cannot be read or has another size by now."""
    size = 0
    with reading(content.path), content.path.open("rb", buffering=0) as file:
        while True:
            with reading(content.path):
                block = file.read(BLOCK)
            if not block:
                break
            size += len(block)
            if size > content.size:
                break
            yield block
    if size != content.size:
        raise changed(entry, content.path)
