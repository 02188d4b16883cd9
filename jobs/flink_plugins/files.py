"""The files that a pipeline names: where they are, and what is in them."""

from __future__ import annotations

import os
import stat
import sys
from typing import Iterable

from flink_plugins.errors import PluginError, PluginNotFoundError


def locate(path: str, beside: Iterable[str] = ()) -> str:
    """The absolute path of a file or folder that a pipeline names.

    A relative path is looked up in ``beside``, in the working folder (where Flink unpacks
    ``python.archives``) and in every folder of ``sys.path`` (where it unpacks ``python.files``).
    Raises PluginNotFoundError with the places that were tried.
    """
    roots = [root for root in (*beside, os.environ.get("_PYTHON_WORKING_DIR"), os.getcwd()) if root]
    roots.extend(entry for entry in sys.path if entry)
    if "\0" not in path:
        # python.files keeps "pysam.zip" as the last part of the folder that it unpacks to.
        for entry in sys.path:
            if os.path.basename(entry) == path and os.path.isdir(entry):
                return os.path.abspath(entry)
        for root in roots:
            candidate = os.path.join(root, path)
            if os.path.exists(candidate):
                return os.path.abspath(candidate)
    places = ", ".join(roots[:3])
    raise PluginNotFoundError(
        f"Could not find {path!r}. Looked in {places}. Put it into an archive (bundle data) or "
        "into python.files, and give its path inside that."
    )


def read_bounded(path: str, limit: int) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes.

    Raises PluginError for anything else: a device or a FIFO would be read for ever.
    """
    try:
        # Not blocking: opening a FIFO would wait for a writer.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise PluginError(f"{path!r} is not a regular file.")
            data = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise PluginError(f"Could not read {path!r}: {error}") from error
    if len(data) > limit:
        raise PluginError(
            f"{path!r} is larger than {limit} bytes, the limit for this kind of file."
        )
    return data
