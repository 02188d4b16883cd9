"""Which image a target's wheels are built in: found, pulled or built, and remembered."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bundler.containers.engine import architecture_of, engine_words
from bundler.containers.image_build import build_image
from bundler.containers.recipes import recipes, reference_of
from bundler.errors import BuildError, UsageError, not_cached
from bundler.session import Session
from bundler.support.cache import Cache, remove_unless_file
from bundler.support.files import read_bounded, whole_file
from bundler.support.progress import Progress
from bundler.target import Target

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image


@dataclass(frozen=True, slots=True)
class SeenImage:
    """An image as an engine had it: its id, and its name for people."""

    id: str
    name: str


def obtain_image(
    client: DockerClient, given: str | None, target: Target, session: Session
) -> Image:
    """The image to build wheels for ``target`` in: ``given``, or the one of its platform tag.

    A recipe's name stands for its image. An image that is not there is pulled, and one of a recipe
    built. Raises BuildError if it can be neither, or is for another architecture.
    """
    from docker.errors import ImageNotFound

    name, reference = _named(given, target)
    try:
        image = client.images.get(reference)
    except ImageNotFound:
        if name in recipes():
            session.progress.note(f"Building the image {reference}, which does not exist yet.")
            build_image(name, session)
            image = client.images.get(reference)
        else:
            image = _pull(client, reference, session.progress)
    found = architecture_of(image)
    if found != target.architecture:
        raise BuildError(
            f"The image {name} is for {found}.",
            f"Expected one for {target.architecture}, as {target.platform} says.",
            "Name another with --image, or choose another --platform.",
        )
    seen = SeenImage(str(image.id), next(iter(image.tags), str(image.id)))
    if _seen(session.cache, reference) != seen:
        place = _memory(session.cache, reference)
        remove_unless_file(place)
        with whole_file(place) as path:
            path.write_text(json.dumps([seen.id, seen.name]))
    return image


def last_image(given: str | None, target: Target, cache: Cache) -> SeenImage:
    """What `obtain_image` found when it was last asked the same; no engine is needed.

    Raises FetchError if it never was.
    """
    name, reference = _named(given, target)
    seen = _seen(cache, reference)
    if seen is None:
        raise not_cached(f"the image {name}")
    return seen


def _named(given: str | None, target: Target) -> tuple[str, str]:
    name = given or _recipe_for(target)
    return name, reference_of(name) if name in recipes() else name


def _memory(cache: Cache, reference: str) -> Path:
    return cache.path("images", hashlib.sha256(reference.encode()).hexdigest(), "image.json")


def _seen(cache: Cache, reference: str) -> SeenImage | None:
    try:
        id_, name = json.loads(read_bounded(_memory(cache, reference), 1 << 16))
        return SeenImage(str(id_), str(name))
    except (ValueError, TypeError, RecursionError, UsageError):
        return None


def _pull(client: DockerClient, reference: str, progress: Progress) -> Image:
    from docker.errors import APIError

    repository, _, tag = reference.rpartition(":") if ":" in reference.rpartition("/")[2] else (
        reference, "", "latest"
    )  # fmt: skip
    try:
        with progress.task(f"Pulling {reference}"):
            return client.images.pull(repository or reference, tag=tag)
    except APIError as error:
        raise BuildError(
            f"The image {reference} is not on this machine and could not be pulled.",
            f"The engine says: {engine_words(error)}",
            f"Name another with --image, or build one: bundle image build {'|'.join(recipes())}.",
        ) from error


def _recipe_for(target: Target) -> str:
    fitting = []
    for name in recipes():
        if name.startswith("manylinux"):
            own = Target(target.flink, target.python, name)
            if own.architecture == target.architecture and own.glibc <= target.glibc:
                fitting.append((own.glibc, name))
    if not fitting:
        raise BuildError(
            f"No build image is for {target.platform}.",
            f"Known: {', '.join(recipes())}.",
            "Name an image of that platform with --image.",
        )
    return max(fitting)[1]
