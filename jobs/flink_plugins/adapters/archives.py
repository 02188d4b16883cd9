"""Zips of plugins, read and unpacked with bounds: they may come from a stranger."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from contextlib import contextmanager
from typing import Iterator

from flink_plugins.errors import PluginError

MOST_MEMBERS = 100000
MOST_BYTES = 4 << 30
_BLOCK = 1 << 20
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,  # a method of compression that this Python lacks
    RuntimeError,  # an encrypted member
    ValueError,
    OSError,
)


@contextmanager
def opened(path: str) -> Iterator[zipfile.ZipFile]:
    """The zip ``path``, open for reading. Raises PluginError for one that is damaged.

    That holds for what is read from it inside of the ``with`` too.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.filelist) > MOST_MEMBERS:
                raise PluginError(
                    f"{path}: the zip has {len(archive.filelist)} members. At most {MOST_MEMBERS} "
                    "are unpacked."
                )
            yield archive
    except _DAMAGE as error:
        raise PluginError(f"{path}: the zip could not be read: {error}") from error


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The bytes of a member, at most ``limit``, counted while inflating. Raises PluginError."""
    with archive.open(name) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise PluginError(f"{archive.filename}: {name!r} is larger than {limit} bytes.")
    return data


def unpack(path: str) -> str:
    """The folder that holds the files of the zip ``path``; unpacked once for each content.

    It is in the temporary folder and belongs to this user alone. Raises PluginError for a zip that
    is damaged, or whose members are links, leave the folder or pass the limits.
    """
    folder = os.path.join(tempfile.gettempdir(), f"flink-plugins-{os.getuid()}-{_digest(path)}")
    if is_ours(folder):
        return folder
    partial = tempfile.mkdtemp(prefix="flink-plugins-")
    try:
        with opened(path) as archive:
            _extract(archive, partial)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    try:
        os.rename(partial, folder)
    except OSError:
        if not is_ours(folder):
            return partial
        shutil.rmtree(partial)
    return folder


def is_ours(folder: str) -> bool:
    """Whether nobody else can have put something there: the temporary folder is everybody's."""
    try:
        status = os.lstat(folder)
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()


def _digest(path: str) -> str:
    digest = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            for block in iter(lambda: file.read(_BLOCK), b""):
                digest.update(block)
    except OSError as error:
        raise PluginError(f"Could not read {path!r}: {error}") from error
    return digest.hexdigest()[:16]


def _extract(archive: zipfile.ZipFile, folder: str) -> None:
    left = MOST_BYTES
    for member in archive.infolist():
        _check_name(archive, member)
        target = os.path.join(folder, member.filename)
        if member.filename.endswith("/"):
            os.makedirs(target, exist_ok=True)
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with archive.open(member) as packed, open(target, "xb") as file:
            for block in iter(lambda packed=packed: packed.read(_BLOCK), b""):  # type: ignore[misc]
                left -= len(block)
                if left < 0:
                    raise PluginError(
                        f"{archive.filename}: unpacked, it is larger than {MOST_BYTES >> 30} GiB."
                    )
                file.write(block)


def _check_name(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    name = member.filename
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise PluginError(
            f"{archive.filename}: {name!r} is a link or a special file. Plugins hold files only."
        )
    if not is_inside(name):
        raise PluginError(f"{archive.filename}: {name!r} is not a path inside of the plugin.")


def is_inside(path: str) -> bool:
    """Whether ``path`` is relative, without '..' or control characters: a place in the plugin."""
    parts = path.rstrip("/").split("/")
    return path.isprintable() and "\\" not in path and not {"", ".", ".."}.intersection(parts)
