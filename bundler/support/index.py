"""Where packages come from: pip's and uv's settings, read once and handed to uv and to httpx.

uv reads its own variables (``UV_INDEX_URL``, ``UV_FIND_LINKS`` ...) by itself. What pip would read
(``PIP_*`` and pip's configuration files, https://pip.pypa.io/en/stable/topics/configuration/) is
translated here, so that a machine set up for pip works without further words.
"""

from __future__ import annotations

import configparser
import netrc
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bundler.errors import UsageError
from bundler.support.files import read_bounded
from bundler.support.urls import parse_url

_UV_INDEX_VARIABLES = (
    "UV_DEFAULT_INDEX",
    "UV_INDEX_URL",
    "UV_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_NO_INDEX",
    "UV_CONFIG_FILE",
)
_LARGEST = 1 << 20
_CA_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """What pip's environment and configuration files say; URLs may carry credentials.

    ``from_uv`` says that uv has index settings of its own, which then override pip's.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    trusted_hosts: tuple[str, ...] = ()
    ca_bundle: Path | None = None
    proxy: str | None = None
    from_uv: bool = False

    def uv_arguments(self, *, default_index: bool = True) -> list[str]:
        """The flags that give uv the same indexes, in pip's order of preference.

        ``default_index`` is False where requirements name another, which wins, as with pip.
        """
        arguments: list[str] = []
        if not self.from_uv:
            if self.index_url and default_index:
                arguments += ["--default-index", self.index_url]
            for url in self.extra_index_urls:
                arguments += ["--index", url]
            for place in self.find_links:
                arguments += ["--find-links", place]
            if self.no_index:
                arguments += ["--no-index"]
        for host in self.trusted_hosts:
            arguments += ["--allow-insecure-host", host]
        return arguments

    def environment(self) -> dict[str, str]:
        """Variables that give uv, and a build that it runs, the same CA bundle and proxy."""
        environment: dict[str, str] = {}
        if self.ca_bundle:
            environment["SSL_CERT_FILE"] = str(self.ca_bundle)
        if self.proxy:
            environment["HTTPS_PROXY"] = environment["HTTP_PROXY"] = self.proxy
        return environment

    def credentials(self, host: str, indexes: Sequence[str] = ()) -> tuple[str, str] | None:
        """User and password for ``host``: from an index URL, else from netrc, else None.

        ``indexes`` are further index URLs, which come first.
        """
        urls = [*indexes, self.index_url, *self.extra_index_urls, *self.find_links]
        urls += [os.environ.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")]
        for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
            urls += [word.partition("=")[2] or word for word in os.environ.get(name, "").split()]
        for url in filter(None, urls):
            parts = urlsplit(url)
            if parts.hostname == host and parts.username:
                return unquote(parts.username), unquote(parts.password or "")
        try:
            found = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
        except (OSError, netrc.NetrcParseError):
            return None
        return (found[0], found[2] or "") if found else None


def index_settings(environment: Mapping[str, str] = os.environ) -> IndexSettings:
    """Read pip's configuration files, then its variables, which win.

    Raises UsageError if a CA bundle is named that does not exist, and for what is not the address
    of an index or the name of a host.
    """
    values = pip_settings(environment)
    bundle = next((environment[name] for name in _CA_VARIABLES if environment.get(name)), None)
    bundle = bundle or values.get("cert")
    if bundle and not Path(bundle).exists():
        raise UsageError(
            f"The CA bundle {bundle} does not exist.",
            "It is named by one of " + ", ".join(_CA_VARIABLES) + ", or by pip's cert setting.",
            "Change that setting.",
        )
    return IndexSettings(
        index_url=_places([values["index-url"]])[0] if "index-url" in values else None,
        extra_index_urls=_places(values.get("extra-index-url", "").split()),
        find_links=_places(values.get("find-links", "").split()),
        no_index=values.get("no-index", "").lower() in ("1", "true", "yes", "on"),
        trusted_hosts=_hosts(values.get("trusted-host", "").split()),
        ca_bundle=Path(bundle) if bundle else None,
        proxy=values.get("proxy"),
        from_uv=any(environment.get(name) for name in _UV_INDEX_VARIABLES),
    )


def _places(written: Sequence[str]) -> tuple[str, ...]:
    """URLs or paths, none of which uv could take for an option."""
    for place in written:
        if "://" in place:
            parse_url(place, "an index")
        elif place.startswith("-") or not place.isprintable():
            raise UsageError(
                f"{place[:200]!r} is not the place of an index.",
                "Expected a URL or a path in pip's index-url, extra-index-url and find-links.",
                "Change that setting.",
            )
    return tuple(written)


def _hosts(written: Sequence[str]) -> tuple[str, ...]:
    for host in written:
        if not re.fullmatch(r"[A-Za-z0-9\[][A-Za-z0-9._:\[\]-]{0,260}", host):
            raise UsageError(
                f"{host[:200]!r} is not a host.",
                "Expected a name or an address, and perhaps a port, in pip's trusted-host.",
                "Change that setting.",
            )
    return tuple(written)


def pip_settings(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """pip's settings by their long option without dashes: of its files, then of its variables.

    Raises UsageError for a configuration file that cannot be read.
    """
    values = dict(_configured(environment))
    prefix = "PIP_"
    for key, value in environment.items():
        if key.startswith(prefix) and value:
            values[key[len(prefix) :].lower().replace("_", "-")] = value
    return values


def _configured(environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    home = Path.home()
    config_home = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    named = environment.get("PIP_CONFIG_FILE")
    files = [
        Path("/etc/xdg/pip/pip.conf"),
        Path("/etc/pip.conf"),
        home / ".pip" / "pip.conf",
        config_home / "pip" / "pip.conf",
        Path(sys.prefix) / "pip.conf",
    ]
    if named == os.devnull:
        files = []
    elif named:
        files.append(Path(named))
    for file in files:
        parser = configparser.RawConfigParser()
        if not file.exists():
            continue
        try:
            parser.read_string(read_bounded(file, _LARGEST, "pip's configuration").decode())
        except (configparser.Error, UnicodeDecodeError) as error:
            raise UsageError(
                f"pip's configuration file {file} could not be read: "
                f"{' '.join(str(error).split())[:300]}",
                "Expected sections of key = value lines in UTF-8.",
                "Change or remove that line.",
            ) from error
        for section in ("global", "install"):
            if parser.has_section(section):
                for key, value in parser.items(section):
                    yield key.replace("_", "-"), value
