"""The address of a Flink master: where it is, who asks, and where it may send a request on to."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import unquote, urljoin, urlsplit

from bundler.errors import UsageError
from bundler.redact import HIDDEN

_LONGEST = 2048
# A shorter one is likely to be part of ordinary words.
_SHORTEST = 6
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Master:
    """A master's ``url`` without its user; ``auth`` is user and password, if the address has them.

    The password is in no text of this value.
    """

    url: str
    auth: tuple[str, str] | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, address: str) -> Master:
        """``address`` ("host:8081", "https://user:password@host/flink") as its parts.

        A bare ``host:port`` is http. Raises UsageError if it is not the address of a server.
        """
        url = address if "://" in address else f"http://{address}"
        parts = _origin(url)
        if parts is None or any(part in url for part in "?#"):
            raise UsageError(
                f"'{address[:_LONGEST]}' is not the address of a Flink master.",
                "Expected http://HOST:PORT, https://HOST:PORT or HOST:PORT.",
                "Change --master.",
            )
        scheme, rest = url.split("://", 1)
        location, slash, path = rest.partition("/")
        user, at, host = location.rpartition("@")
        name, _, password = user.partition(":")
        auth = (unquote(name), unquote(password)) if at else None
        return cls(f"{scheme.lower()}://{host}{slash}{path}".rstrip("/"), auth)

    @property
    def is_loopback(self) -> bool:
        """Whether it is on this machine: no proxy is asked then."""
        host = urlsplit(self.url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    def hide(self, text: str) -> str:
        """``text`` that the master sent, without the credentials that it may have repeated."""
        if self.auth is None:
            return text
        name, password = self.auth
        basic = base64.b64encode(f"{name}:{password}".encode()).decode()
        secrets = [basic, password or name]
        for secret in (each for each in secrets if len(each) >= _SHORTEST):
            text = text.replace(secret, HIDDEN)
        return text

    def is_own(self, url: str) -> bool:
        """Whether ``url`` is on this master's host and port, or on its host by https instead."""
        mine, other = _origin(self.url), _origin(url)
        if mine is None or other is None:
            return False
        upgraded = (mine[0], other[0]) == ("http", "https") and mine[1] == other[1]
        return mine == other or upgraded


def redirected(url: str, location: str) -> str | None:
    """Where ``location``, the header of an answer from ``url``, leads; None if to no server.

    A user that the header names is dropped: credentials go only where a person sends them.
    """
    try:
        target = urljoin(url, location)
    except ValueError:
        return None
    if _origin(target) is None:
        return None
    parts = urlsplit(target)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()


def _origin(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an http(s) URL; None if it is not one that can be asked."""
    import httpx

    if len(url) > _LONGEST or not url.isprintable() or " " in url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        return None
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        return None
    return parts.scheme, parts.hostname, port or _PORTS[parts.scheme]
