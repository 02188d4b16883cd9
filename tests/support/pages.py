"""The commands of a page: what a reader would paste, line by line, into one shell."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands_of(page: Path) -> list[str]:
    """The lines of the fences marked ``sh``, in order; a line that goes on below is one command."""
    text = page.read_text(encoding="utf-8")
    fences = re.findall(r"(?ms)^```sh\n(.*?)^```$", text)
    lines = "".join(fences).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip()]


def copy_checkout(folder: Path) -> Path:
    """What a clone of this working tree would hold, in ``folder``: no caches and no builds."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy)
    return folder
