"""A new project: bundle.toml, a requirements file and a job that runs as it is."""

from __future__ import annotations

from pathlib import Path

from bundler.errors import UsageError
from bundler.support.files import whole_file
from bundler.target import Target

_TEMPLATE = Path(__file__).with_name("template")


def begin(folder: Path, target: Target) -> list[Path]:
    """Write the files of a new project into ``folder``; returns their paths.

    Raises UsageError, and writes nothing, if one of them exists.
    """
    sources = {folder / file.stem: file for file in sorted(_TEMPLATE.glob("*.txt"))}
    present = [path for path in sources if path.exists() or path.is_symlink()]
    if present:
        raise UsageError(
            f"{present[0]} exists.",
            "`bundle init` does not overwrite files.",
            "Choose another folder.",
        )
    for path, source in sources.items():
        with whole_file(path) as temporary:
            temporary.write_text(
                _filled(source.read_text(encoding="utf-8"), target), encoding="utf-8"
            )
    return list(sources)


def _filled(text: str, target: Target) -> str:
    for name in ("flink", "python", "platform"):
        text = text.replace(f"@{name.upper()}@", getattr(target, name))
    return text
