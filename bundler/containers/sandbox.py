"""A container that lives as long as a ``with`` block: files in, commands, files out.

Files travel through the engine's archive API, not through mounts. So they belong to the user
whatever the engine's user is, and an engine on another machine works as well.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bundler.errors import BuildError
from bundler.support.files import read_bounded

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

# A container whose creator was killed ends by itself after this time and is removed.
_LIFETIME_SECONDS = 6 * 3600
_LONGEST_LINE = 64 << 10
_LARGEST_SAID = 64 << 20
_LARGEST_COPY = 8 << 30
_MOST_COPIED = 10_000
LABEL = "flink-bundler.build"
"""What every container of this tool is labelled with."""

_SAID = PurePosixPath("/bundle/said")
_LEFTOVERS = {"build", "dist", ".venv", ".tox", ".nox"}


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running container; ``id`` is its own, ``image`` the name of what it was made from."""

    client: DockerClient
    id: str
    image: str

    def run(
        self,
        command: Sequence[str],
        line: Callable[[str], None],
        *,
        environment: Mapping[str, str] | None = None,
        folder: str | None = None,
    ) -> int:
        """Run ``command`` to its end, each line it prints passed to ``line``; its exit status."""
        api = self.client.api
        created = api.exec_create(
            self.id, list(command), environment=dict(environment or {}), workdir=folder
        )
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        rest = ""
        for block in api.exec_start(created["Id"], stream=True):
            *lines, rest = (rest + decoder.decode(block)).split("\n")
            for text in lines:
                line(text)
            if len(rest) > _LONGEST_LINE:
                line(rest)
                rest = ""
        if rest:
            line(rest)
        status = api.exec_inspect(created["Id"])["ExitCode"]
        return -1 if status is None else int(status)

    def read(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> str:
        """The output of a short command. Raises BuildError if it fails."""
        # Through a file: of a command that ends at once, podman may lose what it printed.
        keeping = f'mkdir -p {_SAID.parent} && "$@" > {_SAID} 2>&1'
        status = self.run(
            ["sh", "-c", keeping, "sh", *command], lambda line: None, environment=environment
        )
        with tempfile.TemporaryDirectory(prefix="bundle-") as scratch:
            (file,) = self.get(str(_SAID), Path(scratch))
            data = read_bounded(file, _LARGEST_SAID, "what a command printed")
            said = data.decode("utf-8", errors="replace").rstrip("\n")
        if status != 0:
            last = said.splitlines()[-1] if said else "it printed nothing"
            raise BuildError(
                f"`{' '.join(command[:3])}` failed in the image (exit status {status}): {last}",
                remedy="Choose another image with --image.",
            )
        return said

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Write a file in the container, its folders with it."""
        member = tarfile.TarInfo(path.lstrip("/"))
        member.size, member.mode = len(data), mode
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            tar.addfile(member, io.BytesIO(data))
        self.client.api.put_archive(self.id, "/", packed.getvalue())

    def put(self, source: Path, path: str) -> None:
        """Copy a file, or a source tree without what builds leave behind, to ``path``."""
        root = PurePosixPath(path.lstrip("/"))

        def clean(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
            inside = PurePosixPath(member.name)
            leftover = inside.parent == root and (
                inside.name in _LEFTOVERS or inside.name.endswith(".egg-info")
            )
            special = member.isfifo() or member.isdev()
            if leftover or special or inside.name == "__pycache__":
                return None
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            return member

        with tempfile.TemporaryFile() as packed:
            with tarfile.open(fileobj=packed, mode="w") as tar:
                tar.add(source, str(root), filter=clean)
            packed.seek(0)
            self.client.api.put_archive(self.id, "/", packed)

    def get(self, path: str, folder: Path) -> list[Path]:
        """Copy the file ``path``, or the files directly in the folder ``path``, into ``folder``.

        Links and other files that are not regular stay behind. Raises BuildError if there is no
        ``path``, or it holds more than 8 GiB.
        """
        from docker.errors import NotFound

        try:
            stream, _ = self.client.api.get_archive(self.id, path)
        except NotFound as error:
            raise BuildError(
                f"The container of {self.image} has no {path}.",
                "Expected the command before to write it.",
                "Choose another image with --image, or see what the build does.",
            ) from error
        try:
            return self._written(_Stream(stream), path, folder)
        except tarfile.TarError as error:
            raise BuildError(
                f"{path} could not be copied out of the container: {error}.",
                "Expected the engine to send all of it.",
                "Check the engine's log and the free space on its disk.",
            ) from error

    def _written(self, stream: _Stream, path: str, folder: Path) -> list[Path]:
        written: list[Path] = []
        left = _LARGEST_COPY
        with tarfile.open(fileobj=stream, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.isfile() else None
                name = PurePosixPath(member.name)
                if content is None or len(name.parts) > 2 or name.name in ("", ".."):
                    continue
                left -= member.size
                if left < 0 or len(written) >= _MOST_COPIED:
                    raise BuildError(
                        f"{path} in the container holds more than {_LARGEST_COPY >> 30} GiB or "
                        f"{_MOST_COPIED} files.",
                        "Expected the results of a build.",
                        "See what the build leaves there.",
                    )
                place = folder / name.name
                with place.open("wb") as file:
                    while block := content.read(1 << 20):
                        file.write(block)
                written.append(place)
        return sorted(written)


@contextmanager
def sandbox(
    client: DockerClient,
    image: Image,
    *,
    network: str | None = None,
    volumes: Mapping[str, str] | None = None,
) -> Iterator[Sandbox]:
    """Start a container of ``image`` and remove it however the block ends.

    ``network`` is the engine's network mode, ``volumes`` the engine's named volumes and where they
    are mounted. Raises BuildError if the container does not start.
    """
    from docker.errors import APIError
    from requests.exceptions import RequestException

    container = None
    try:
        try:
            container = client.containers.create(
                image,
                ["sleep", str(_LIFETIME_SECONDS)],
                entrypoint=[],
                user="0:0",
                network_mode=network,
                volumes={
                    name: {"bind": path, "mode": "rw"} for name, path in (volumes or {}).items()
                },
                labels={LABEL: "1"},
                auto_remove=True,
            )
            container.start()
        except APIError as error:
            raise _not_started(image, network, error) from error
        yield Sandbox(client, str(container.id), name_of(image))
    finally:
        if container is not None:
            # With auto_remove the engine may be removing it already, or the engine itself is gone.
            with contextlib.suppress(APIError, RequestException):
                container.remove(force=True)


def name_of(image: Image) -> str:
    """The name of ``image`` for people; its id if it has none."""
    return next(iter(image.tags), str(image.id))


def _not_started(image: Image, network: str | None, error: Exception) -> BuildError:
    said = str(getattr(error, "explanation", None) or error)
    name = name_of(image)
    if "network" in said and network:
        return BuildError(
            f"The engine has no network '{network}': {said}",
            "Expected bridge, host, none or the name of a network.",
            "Choose another with --network or build.network.",
        )
    if "exec format error" in said:
        return BuildError(
            f"The image {name} is for another processor than the engine's machine.",
            "Expected emulation: qemu-user-static and its binfmt_misc handlers.",
            "Install them there, or set DOCKER_HOST to an engine on a machine with that processor.",
        )
    return BuildError(f"A container of {name} did not start: {said}")


class _Stream(io.RawIOBase):
    """The blocks of an archive as a file that tarfile can read from front to back."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        parts = [self._rest]
        length = len(self._rest)
        while size < 0 or length < size:
            block = next(self._blocks, b"")
            if not block:
                break
            parts.append(block)
            length += len(block)
        data = b"".join(parts)
        cut = len(data) if size < 0 else size
        self._rest = data[cut:]
        return data[:cut]
