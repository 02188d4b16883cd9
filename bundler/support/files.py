"""Files: strangers' read with bounds, ours appear under their final name only when whole."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from bundler.errors import BuildError, BundlerError, UsageError

_ELSEWHERE = "choose another place (-o for output, BUNDLE_CACHE for the cache)"
_OTHER_PLACE = f"{_ELSEWHERE[0].upper()}{_ELSEWHERE[1:]}."


def fault(error: OSError, path: Path) -> BundlerError:
    """The error to show for ``error``, met while writing ``path``."""
    if error.errno == errno.ENOSPC:
        return BuildError(
            f"No space left on the device that holds {path.parent}.",
            "Nothing was written under the final name.",
            f"Free some space, or {_ELSEWHERE}.",
        )
    if isinstance(error, PermissionError) or error.errno == errno.EROFS:
        return UsageError(
            f"{path.parent} is not writable.",
            f"Expected to write {path.name} there.",
            f"Change its permissions, or {_ELSEWHERE}.",
        )
    return BuildError(
        f"{path} could not be written: {error.strerror or error}.",
        "Expected a path in a folder that exists or can be created.",
        f"Check the path, or {_ELSEWHERE}.",
    )


def unforeseen(error: OSError) -> BundlerError:
    """The error to show for an ``error`` of the file system that no stage has words for."""
    where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
    return BuildError(
        f"{where}{error.strerror or error}.",
        "Expected to read or write this path.",
        "Check the path, its permissions and the free space.",
    )


def open_regular(path: Path, what: str = "a file") -> BinaryIO:
    """``path`` opened for reading, if it is a regular file or a link to one.

    A FIFO, device, socket or folder is an error at once: nothing waits for it or reads from it.
    Raises UsageError, with ``what`` ("a requirements file") as that which was expected.
    """
    try:
        # Opening a device may already do something, so it is asked before, and after for races.
        kind = _kind(path.stat().st_mode)
        if kind is None:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            kind = _kind(os.fstat(handle).st_mode)
            if kind is None:
                return open(handle, "rb")  # noqa: PTH123 (a descriptor)
            os.close(handle)
    except FileNotFoundError as error:
        raise UsageError(
            f"{path} does not exist.", f"Expected {what}.", "Check the path."
        ) from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        said = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(
            f"{str(path)!r} could not be read: {said}.",
            f"Expected {what}.",
            "Check the path and its permissions.",
        ) from error
    raise UsageError(f"{path} is {kind}.", f"Expected {what}.", "Give the path of a regular file.")


def read_bounded(path: Path, limit: int, what: str = "a file") -> bytes:
    """The bytes of a regular file that has at most ``limit`` of them, counted while reading.

    Raises UsageError as `open_regular` does, and if there are more.
    """
    with open_regular(path, what) as file:
        try:
            data = file.read(limit + 1)
        except OSError as error:
            raise UsageError(
                f"{path} could not be read: {error.strerror}.",
                f"Expected {what}.",
                "Check the disk or the network that holds it.",
            ) from error
    if len(data) > limit:
        raise UsageError(
            f"{path} is larger than {limit:,} bytes.",
            f"Expected {what}, which is smaller.",
            "Check that this is the right file.",
        )
    return data


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def _kind(mode: int) -> str | None:
    """What a file is, in words; None if it is a regular one."""
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "not a regular file")


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there when the block ends well.

    Whatever ends the block early (an error, Ctrl-C) leaves ``path`` as it was and removes the
    temporary file. Raises UsageError if ``path`` is something else than a regular file, UsageError
    or BuildError when the folder cannot take the file.
    """
    try:
        _check_replaceable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise fault(error, path) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        raise fault(error, path) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: Path) -> None:
    """Raise now what `whole_file` would raise later if ``path`` cannot be written; nothing is left.

    For results that take long to make.
    """
    folder = path.parent
    try:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        _check_replaceable(path)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=folder)
        os.close(handle)
        Path(name).unlink()
    except OSError as error:
        raise fault(error, path) from error


def _check_replaceable(path: Path) -> None:
    """Raise UsageError unless ``path`` is a regular file, not a link to one, or does not exist."""
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    except ValueError as error:
        raise UsageError(
            f"{str(path)!r} is not a path: {error}.", "Expected a path for a file.", _OTHER_PLACE
        ) from error
    if (kind := _kind(mode)) is not None:
        raise UsageError(f"{path} is {kind}.", "Only a regular file may be replaced.", _OTHER_PLACE)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """As `whole_file`, for a folder; if another process was first, its folder is kept."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise fault(error, path) from error
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        try:
            temporary.rename(path)
        except OSError:
            if not path.is_dir():
                raise
    except OSError as error:
        raise fault(error, path) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def sha256_of(path: Path) -> str:
    """The hexadecimal SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def digest_of(data: bytes) -> str:
    """The hexadecimal SHA-256 of ``data``: a cache key."""
    return hashlib.sha256(data).hexdigest()
