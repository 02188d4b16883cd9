"""The container engine: found, asked, and its refusals turned into errors with a remedy.

Docker and podman speak the same API (https://docs.docker.com/reference/api/engine/). What is named
by DOCKER_HOST wins, then Docker's socket, then podman's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bundler.errors import BuildError, missing_extra

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.images import Image

_SECONDS = 600
_DOCKER_SOCKET = Path("/var/run/docker.sock")
_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}


@contextmanager
def engine() -> Iterator[DockerClient]:
    """A connection to the container engine, closed at the end.

    Raises BuildError if there is none, it may not be used by this user, or it fails or goes away
    while the block runs.
    """
    try:
        import docker
        from docker.errors import DockerException
        from requests.exceptions import RequestException
    except ImportError as error:
        raise missing_extra("container", "A container build", error) from error
    address = _address()
    try:
        client = docker.DockerClient(
            base_url=address,
            version="auto",
            timeout=_SECONDS,
            tls=_tls(address),
            use_ssh_client=address.startswith("ssh:"),
        )
    except DockerException as error:
        raise _refused(address, error) from error
    try:
        yield client
    except (DockerException, RequestException) as error:
        said = engine_words(error) or type(error).__name__
        raise BuildError(
            f"The container engine at {address} failed: {said.splitlines()[0]}",
            "Expected it to run until the end of the build.",
            "Check its log and the free space on its disk (`docker system df`).",
        ) from error
    finally:
        client.close()


def architecture_of(image: Image) -> str:
    """The machine that ``image`` is for, in the words of platform tags."""
    name = str(image.attrs.get("Architecture", ""))
    return _ARCHITECTURES.get(name, name)


def machine_of(client: DockerClient) -> str:
    """The machine that the engine runs on, in the words of platform tags."""
    name = str(client.version().get("Arch", ""))
    return _ARCHITECTURES.get(name, name)


def engine_words(error: Exception) -> str:
    """What the engine says of a request that it refused."""
    return str(getattr(error, "explanation", None) or error).strip()


def proxies() -> dict[str, str]:
    """This process's proxy variables, in both spellings that programs read."""
    found = {}
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        if value := os.environ.get(name) or os.environ.get(name.upper()):
            found[name] = found[name.upper()] = value
    return found


def _address() -> str:
    if given := os.environ.get("DOCKER_HOST"):
        return given
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    podman = [Path(runtime, "podman/podman.sock")] if runtime else []
    podman.append(Path("/run/podman/podman.sock"))
    for socket in (_DOCKER_SOCKET, *podman):
        if socket.exists():
            return f"unix://{socket}"
    return f"unix://{_DOCKER_SOCKET}"


def _tls(address: str) -> Any:
    if not os.environ.get("DOCKER_TLS_VERIFY") or not address.startswith("tcp"):
        return False
    from docker.tls import TLSConfig

    folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    return TLSConfig(
        client_cert=(str(folder / "cert.pem"), str(folder / "key.pem")),
        ca_cert=str(folder / "ca.pem"),
        verify=True,
    )


def _refused(address: str, error: Exception) -> BuildError:
    text = str(error)
    if "PermissionError" in text or "Permission denied" in text:
        return BuildError(
            f"You do not have permission to use the container engine at {address}.",
            "Expected permission to read and write its socket.",
            "Join the docker group (`sudo usermod -aG docker $USER`, then log in again), or use "
            "rootless podman and set DOCKER_HOST to its socket.",
        )
    return BuildError(
        f"No container engine answers at {address}.",
        f"The engine's client says: {text.splitlines()[0] if text else type(error).__name__}",
        "Start Docker (`sudo systemctl start docker`) or podman (`systemctl --user start "
        "podman.socket`), or set DOCKER_HOST to another engine.",
    )
