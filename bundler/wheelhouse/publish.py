"""Finished wheels to a package index, with twine; first to a test index, then to the real one."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename

from bundler.errors import BuildError, FetchError, UsageError, missing_extra
from bundler.support.files import sha256_of
from bundler.support.index import index_settings
from bundler.support.process import run
from bundler.support.progress import SILENT, Progress
from bundler.wheelhouse.factory import check_with_twine

_SIMPLE = "application/vnd.pypi.simple.v1+json"
_UPLOAD_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Repository:
    """Where to upload: a name in .pypirc or a URL, and the index that shows what is there.

    ``simple`` is the URL of that index (PEP 503); None derives it from the upload URL. ``config``
    is the .pypirc file; None means the user's. Credentials are read by twine (.pypirc, keyring,
    TWINE_USERNAME, TWINE_PASSWORD).
    """

    name: str
    simple: str | None = None
    config: Path | None = None

    @property
    def upload_url(self) -> str:
        """The URL that files are posted to. Raises UsageError if the name is unknown."""
        if "://" in self.name:
            return self.name
        return str(self._configured()["repository"])

    @property
    def simple_url(self) -> str:
        """The index that belongs to the upload URL.

        Warehouse, which the public indexes run, posts to ``<upload host>/legacy/`` and lists in
        ``/simple/``; pypiserver and devpi list below the address that they are posted to.
        """
        if self.simple:
            return self.simple.rstrip("/") + "/"
        parts = urlsplit(self.upload_url)
        path = parts.path.rstrip("/").removesuffix("/legacy")
        host = parts.netloc.removeprefix("upload.")
        return urlunsplit((parts.scheme, host, f"{path}/simple/", "", ""))

    def _configured(self) -> dict[str, Any]:
        try:
            from twine.exceptions import InvalidConfiguration
            from twine.utils import get_repository_from_config
        except ImportError as error:
            raise missing_extra("wheel", "An upload", error) from error
        try:
            return dict(get_repository_from_config(str(self.config or "~/.pypirc"), self.name))
        except InvalidConfiguration as error:
            raise UsageError(
                f"{self.config or '~/.pypirc'} has no repository '{self.name}'.",
                "Expected pypi, testpypi, a section of that file, or a URL.",
                "Add that section, or name another with --repository.",
            ) from error


def publish(
    files: Sequence[Path],
    repository: Repository,
    progress: Progress = SILENT,
    *,
    tested: Repository | None = None,
) -> None:
    """Upload ``files`` to ``repository``, all of them or none.

    ``tested`` is a test index that must have the same bytes already. Raises UsageError if a file
    name exists in ``repository`` (an index takes every name once, whatever becomes of the file) or
    is not in ``tested``; BuildError if twine refuses a file or the upload fails; FetchError if the
    index cannot be read.
    """
    for path in files:
        if not path.is_file() or not path.name.endswith((".whl", ".tar.gz")):
            raise UsageError(
                f"{path} is neither a wheel nor a sdist.",
                "Expected files *.whl or *.tar.gz.",
                "Leave it out.",
            )
    check_with_twine(files)
    with progress.task(f"Listing the files on {repository.name}"):
        if tested is not None:
            _need_tested(files, tested)
        _refuse_existing(files, repository)
    command: list[str | Path] = [sys.executable, "-m", "twine", "upload", "--non-interactive"]
    command += ["--disable-progress-bar", "--repository"]
    if "://" in repository.name:
        command[-1] = "--repository-url"
    command.append(repository.name)
    if repository.config is not None:
        command += ["--config-file", repository.config]
    settings = index_settings()
    ordered = libraries_first(files)
    with progress.task(f"Uploading {len(files)} files to {repository.name}"):
        finished = run(
            [*command, *ordered],
            env={**settings.environment(), "NO_COLOR": "1"},
            timeout=_UPLOAD_SECONDS,
        )
    if finished.returncode != 0:
        lines = [line.strip() for line in (finished.stdout + finished.stderr).splitlines()]
        said = [line for line in lines if line and not line.startswith(("Uploading", "WARNING"))]
        raise BuildError(
            f"The upload to {repository.name} failed: {' '.join(said[-3:])}",
            "What was uploaded before the failure stays there.",
            "Check the credentials and who owns the name, raise the version if a file is already "
            "there, and try again.",
        )


def libraries_first(files: Sequence[Path]) -> list[Path]:
    """``files`` with what a split moved out of a package before that package.

    Whoever installs the package while the upload goes on finds what it requires.
    """
    names = {_project(path) for path in files}

    def carries_pieces(path: Path) -> bool:
        match = re.fullmatch(r"(.+)-lib(-[0-9]+)?", _project(path))
        return match is not None and match[1] in names

    return sorted(files, key=lambda path: (not carries_pieces(path), path.name))


def _refuse_existing(files: Sequence[Path], repository: Repository) -> None:
    there = _listed(files, repository)
    existing = [path.name for path in files if path.name in there]
    if existing:
        raise UsageError(
            f"{repository.name} already has {', '.join(existing[:3])}"
            f"{f' and {len(existing) - 3} more' if existing[3:] else ''}.",
            "An index never accepts the same file name twice, even after deletion.",
            "Raise the version and build again.",
        )


def _need_tested(files: Sequence[Path], tested: Repository) -> None:
    there = _listed(files, tested)
    for path in files:
        digest = there.get(path.name)
        if digest is None or digest not in ("", sha256_of(path)):
            found = "does not have it" if digest is None else "has other bytes under that name"
            raise UsageError(
                f"{path.name} has not been tested: {tested.name} {found}.",
                "Files must be published to the test index before the real one.",
                f"Publish to {tested.name} and install from there first, or use --untested.",
            )


def _listed(files: Sequence[Path], repository: Repository) -> dict[str, str]:
    """File names of the projects of ``files`` in an index, and their SHA-256 where it says them."""
    import ssl

    import httpx

    settings = index_settings()
    authorities = ssl.create_default_context()
    if settings.ca_bundle:
        folder = settings.ca_bundle if settings.ca_bundle.is_dir() else None
        authorities.load_verify_locations(None if folder else settings.ca_bundle, folder)
    base = repository.simple_url
    host = urlsplit(base).hostname or ""
    found: dict[str, str] = {}
    with httpx.Client(
        headers={"Accept": f"{_SIMPLE}, text/html;q=0.1"},
        auth=settings.credentials(host),
        verify=authorities,
        proxy=settings.proxy,
        follow_redirects=True,
        timeout=60,
    ) as client:
        for project in sorted({_project(path) for path in files}):
            url = f"{base}{project}/"
            try:
                answer = client.get(url)
            except httpx.HTTPError as error:
                raise _unread(repository, url, str(error) or type(error).__name__) from error
            if answer.status_code == 404:
                continue
            if answer.status_code != 200:
                raise _unread(repository, url, f"status {answer.status_code}")
            found.update(_files(answer.text, answer.headers.get("content-type", "")))
    return found


def _files(text: str, kind: str) -> dict[str, str]:
    if "json" in kind:
        rows = json.loads(text)["files"]
        return {row["filename"]: row.get("hashes", {}).get("sha256", "") for row in rows}
    found = {}
    for address in re.findall(r"""href\s*=\s*["']([^"']+)""", text):
        name = unquote(urlsplit(address).path.rpartition("/")[2])
        match = re.search(r"sha256=([0-9a-f]{64})", address)
        found[name] = match[1] if match else ""
    return found


def _project(path: Path) -> str:
    if path.suffix == ".whl":
        return canonicalize_name(parse_wheel_filename(path.name)[0])
    return canonicalize_name(parse_sdist_filename(path.name)[0])


def _unread(repository: Repository, url: str, cause: str) -> FetchError:
    return FetchError(
        f"Could not list the files on {repository.name}: {url}: {cause}",
        "Expected a simple index (PEP 503).",
        "Give its URL with --simple-url.",
    )
