"""Where wheels are uploaded to, and the index that shows what is there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from bundler.errors import UsageError, missing_extra

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


@dataclass(frozen=True, slots=True)
class Repository:
    """Where to upload: a name in .pypirc or a URL, and the index that shows what is there.

    ``simple`` is the URL of that index (PEP 503); None derives it from the upload URL. ``config``
    is the .pypirc file; None means the user's. Credentials are those in the URL, or are read by
    twine (.pypirc, keyring, TWINE_USERNAME, TWINE_PASSWORD).

    Raises UsageError for what is neither a name nor an http(s) URL.
    """

    name: str
    simple: str | None = None
    config: Path | None = None

    def __post_init__(self) -> None:
        if self.is_url:
            _parsed(self.name)
        elif not _NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name[:200]!r} is not a repository.",
                "Expected pypi, testpypi, a section of .pypirc, or a URL.",
                "Change --repository.",
            )
        if self.simple is not None:
            _parsed(self.simple)

    @property
    def is_url(self) -> bool:
        """Whether `name` is a URL."""
        return "://" in self.name

    @property
    def shown(self) -> str:
        """The name or URL for people and reports, without credentials."""
        return _bare(self.name) if self.is_url else self.name

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password that the URL holds, if it holds any."""
        return _user(_parsed(self.name)) if self.is_url else None

    @property
    def upload_url(self) -> str:
        """The URL that files are posted to, without credentials.

        Raises UsageError if the name is unknown.
        """
        return _bare(self.name if self.is_url else str(self._configured()["repository"]))

    @property
    def simple_url(self) -> str:
        """The index that belongs to the upload URL, without credentials.

        Warehouse, which the public indexes run, posts to ``<upload host>/legacy/`` and lists in
        ``/simple/``; pypiserver and devpi list below the address that they are posted to.
        """
        if self.simple:
            return _bare(self.simple).rstrip("/") + "/"
        parts = urlsplit(self.upload_url)
        path = parts.path.rstrip("/").removesuffix("/legacy")
        host = parts.netloc.removeprefix("upload.")
        return urlunsplit((parts.scheme, host, f"{path}/simple/", "", ""))

    @property
    def simple_credentials(self) -> tuple[str, str] | None:
        """User and password for the index, as far as the URLs and .pypirc hold any."""
        if self.simple:
            return _user(_parsed(self.simple))
        if self.is_url:
            return self.credentials
        found = self._configured()
        user, password = found.get("username"), found.get("password")
        return (str(user), str(password)) if user and password else None

    def _configured(self) -> dict[str, Any]:
        try:
            from twine.exceptions import InvalidConfiguration
            from twine.utils import get_repository_from_config
        except ImportError as error:
            raise missing_extra("wheel", "An upload", error) from error
        try:
            found = dict(get_repository_from_config(str(self.config or "~/.pypirc"), self.name))
        except (InvalidConfiguration, KeyError) as error:
            raise UsageError(
                f"{self.config or '~/.pypirc'} has no repository '{self.name}'.",
                "Expected pypi, testpypi, a section of that file, or a URL.",
                "Add that section, or name another with --repository.",
            ) from error
        _parsed(str(found["repository"]))
        return found


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname)
        _ = parts.port
    except ValueError:
        sound = False
    if not sound or not url.isprintable() or " " in url or len(url) > 2048:
        raise UsageError(
            f"{url[:200]!r} is not the URL of a repository.",
            "Expected an address such as https://host/path/.",
            "Change --repository, --simple-url or .pypirc.",
        )
    return parts


def _bare(url: str) -> str:
    parts = _parsed(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _user(parts: SplitResult) -> tuple[str, str] | None:
    if not parts.username:
        return None
    return unquote(parts.username), unquote(parts.password or "")
