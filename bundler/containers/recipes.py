"""The catalogue of build images: the recipes that come along, and how their images are called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

REPOSITORY = "flink-bundler"
"""Where the images of this project are named, as ``flink-bundler/debian``."""

_FOLDER = Path(str(files("bundler.containers.build_images")))


def recipes() -> list[str]:
    """The names that `bundler.containers.image_build.build_image` knows."""
    return sorted(path.parent.name for path in _FOLDER.glob("*/Dockerfile"))


def reference_of(name: str) -> str:
    """How an engine calls the image of the recipe ``name``."""
    return f"{REPOSITORY}/{name}:latest"


def recipe_files(name: str) -> list[Path]:
    """The files of the recipe ``name``, its Dockerfile among them."""
    return sorted((_FOLDER / name).iterdir())


def recipe_digest(name: str, choices: Iterable[str]) -> str:
    """A SHA-256 of the recipe's files, its prose left out, and of ``choices`` of its user."""
    digest = hashlib.sha256()
    for path in recipe_files(name):
        if path.suffix != ".md":
            digest.update(f"{path.name}\0".encode() + path.read_bytes())
    for choice in choices:
        digest.update(choice.encode())
    return digest.hexdigest()
