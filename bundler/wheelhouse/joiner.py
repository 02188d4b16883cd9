"""Puts a split wheel's binaries together, on its first import (Python 3.8 and newer).

This file goes into such wheels as ``_<name>_joiner.py``, followed by a call of `_plan`. The files
are put together in a folder of the user's cache that gets its name only when it is whole: written
beside it under another name, each file checked by its SHA-256, then renamed. A lock lets one of
many processes do that; a process that dies in the middle loses the lock and leaves nothing under
the final name. Where files cannot be locked, the first rename wins.
"""

# Every import of the package pays for what is imported here, so there is os alone: not even
# __future__, which is why annotations that Python 3.8 cannot evaluate are in quotes.
# ruff: noqa: PTH100, PTH101, PTH102, PTH103, PTH104, PTH111, PTH112, PTH116, PTH117, PTH118
# ruff: noqa: PTH119, PTH120, PTH123, PTH208

import os

_BLOCK = 1 << 20
_AHEAD = 8 << 20
HEADER = b"bundle piece\n"
"""What every piece begins with, so that no tool takes it for a binary to be stripped."""
_NAME = _VERSION = _KEY = ""
# (path, size, sha256, ((package that the piece lies in, or "" for beside here, path), ...))
_FILES: "tuple[tuple[str, int, str, tuple[tuple[str, str], ...]], ...]" = ()


def _plan(
    name: str,
    version: str,
    key: str,
    files: "tuple[tuple[str, int, str, tuple[tuple[str, str], ...]], ...]",
) -> None:
    global _NAME, _VERSION, _KEY, _FILES
    _NAME, _VERSION, _KEY, _FILES = name, version, key, files


def folder(package: str) -> str:
    """Where the joined files of ``package`` ("name/of/package") are, whole and checked.

    Raises ImportError if they cannot be put together, with the reason.
    """
    for parent in _parents():
        place = os.path.join(parent, _KEY)
        if _is_whole(place):
            return os.path.join(place, package)
    try:
        return os.path.join(_join(), package)
    except OSError as error:
        megabytes = sum(row[1] for row in _FILES) // 1000000 + 1
        raise ImportError(
            f"{_NAME} {_VERSION} cannot put its libraries together: {error}. "
            f"Set {_variable()} to a folder with {megabytes} MB of space."
        ) from error


def _variable() -> str:
    return _NAME.upper().replace("-", "_").replace(".", "_") + "_CACHE"


def _parents() -> "list[str]":
    """Folders to join in, best first."""
    given = os.environ.get(_variable())
    if given:
        return [given]
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    found = [os.path.join(cache, _NAME)] if os.path.isabs(cache) else []
    temporary = os.environ.get("TMPDIR") or "/tmp"
    return [*found, os.path.join(temporary, f"{_NAME}-{os.getuid()}")]


def _is_whole(place: str) -> bool:
    try:
        # Anybody may make a folder of this name in /tmp.
        return os.stat(place).st_uid == os.getuid() and all(
            os.stat(os.path.join(place, path)).st_size == size for path, size, _, _ in _FILES
        )
    except OSError:
        return False


def _join() -> str:
    failure: OSError | None = None
    for parent in _parents():
        try:
            os.makedirs(parent, mode=0o700, exist_ok=True)
            if os.stat(parent).st_uid != os.getuid() or not os.access(parent, os.W_OK):
                raise PermissionError(13, "not a folder of this user's", parent)
            return _join_in(parent)
        except OSError as error:
            failure = failure or error
    raise failure or FileNotFoundError(2, "no folder to write to")


def _join_in(parent: str) -> str:
    place = os.path.join(parent, _KEY)
    with open(f"{place}.lock", "ab") as lock:
        locked = _lock(lock.fileno())
        if _is_whole(place):
            return place
        prefix = f".{_KEY}."
        if locked:
            for name in os.listdir(parent):
                if name.startswith(prefix):
                    _remove(os.path.join(parent, name))
        staging = _new_folder(os.path.join(parent, prefix))
        try:
            for path, _, digest, pieces in _FILES:
                _write(os.path.join(staging, path), digest, pieces)
            # Without a lock, another may have put it there meanwhile.
            if os.path.isdir(place) and not _is_whole(place):
                damaged = _new_folder(os.path.join(parent, prefix))
                os.rename(place, damaged)
                _remove(damaged)
            try:
                os.rename(staging, place)
            except OSError:
                if not _is_whole(place):
                    raise
                _remove(staging)
        except BaseException:
            _remove(staging)
            raise
    return place


def _new_folder(prefix: str) -> str:
    place = prefix + os.urandom(8).hex()
    os.mkdir(place, 0o700)
    return place


def _remove(folder: str) -> None:
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


def _lock(descriptor: int) -> bool:
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError:
        return False
    return True


def _write(path: str, digest: str, pieces: "tuple[tuple[str, str], ...]") -> None:
    import hashlib

    os.makedirs(os.path.dirname(path), exist_ok=True)
    found = hashlib.sha256()
    buffer = memoryview(bytearray(_BLOCK))
    with open(path, "wb") as out:
        begun = written = 0
        for package, piece in pieces:
            with open(os.path.join(_folder_of(package), piece), "rb", 0) as source:
                source.seek(len(HEADER))
                while True:
                    block = buffer[: source.readinto(buffer) or 0]
                    if not block:
                        break
                    written += out.write(block)
                    if written - begun >= _AHEAD:
                        # Linux begins to write what is not needed; so fsync waits for little.
                        os.posix_fadvise(out.fileno(), begun, _AHEAD, os.POSIX_FADV_DONTNEED)
                        begun += _AHEAD
                    found.update(block)
        out.flush()
        os.fsync(out.fileno())
    if found.hexdigest() != digest:
        raise ImportError(
            f"The pieces of {os.path.basename(path)} give other bytes than were built (sha256 "
            f"{found.hexdigest()[:12]}, expected {digest[:12]}). {_again()}"
        )
    os.chmod(path, 0o755)


def _folder_of(package: str) -> str:
    if not package:
        return os.path.dirname(os.path.abspath(__file__))
    import importlib.util

    spec = importlib.util.find_spec(package)
    for place in (spec and spec.submodule_search_locations) or ():
        return place
    name = package.replace("_", "-")
    raise ImportError(
        f"{_NAME} {_VERSION} needs {name} {_VERSION}, which is not installed. {_again()}"
    )


def _again() -> str:
    return f"Install it again: pip install --force-reinstall {_NAME}=={_VERSION}"
