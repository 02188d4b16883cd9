"""Build images as an engine has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bundler.containers.engine import engine
from bundler.containers.recipes import recipes, reference_of

if TYPE_CHECKING:
    from docker import DockerClient

RECIPE_LABEL = "flink-bundler.recipe"
"""The label that keeps what an image was built from."""


@dataclass(frozen=True, slots=True)
class ImageState:
    """A recipe and its image: ``id`` is None if it is not built; ``size`` in bytes."""

    name: str
    reference: str
    id: str | None = None
    size: int = 0
    created: str = ""


def list_images() -> list[ImageState]:
    """Every recipe, and the image built from it if there is one.

    Raises BuildError if there is no engine.
    """
    with engine() as client:
        return [image_state(client, name) for name in recipes()]


def image_state(client: DockerClient, name: str) -> ImageState:
    """The recipe ``name`` and the image of it that the engine has."""
    from docker.errors import ImageNotFound

    try:
        image = client.images.get(reference_of(name))
    except ImageNotFound:
        return ImageState(name, reference_of(name))
    return ImageState(
        name,
        reference_of(name),
        str(image.id),
        int(image.attrs.get("Size", 0)),
        str(image.attrs.get("Created", "")),
    )


def recipe_label(client: DockerClient, image: str) -> str | None:
    """The digest of the recipe and options that ``image`` was built from."""
    labels: Mapping[str, str] = client.images.get(image).labels
    return labels.get(RECIPE_LABEL)
