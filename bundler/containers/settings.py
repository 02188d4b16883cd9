"""This machine's index settings, certificates and proxy, as a build in a container needs them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from bundler.containers.engine import proxies
from bundler.containers.sandbox import Sandbox
from bundler.support.index import IndexSettings, index_settings

_FOLDER = "/bundle/settings"
_CA_VARIABLES = (
    "PIP_CERT",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "GIT_SSL_CAINFO",
)
# Read through IndexSettings, or about this machine's own installations.
_NOT_PASSED = re.compile(
    r"PIP_(CERT|CONFIG_FILE|FIND_LINKS|CACHE_DIR|TARGET|PREFIX|USER|REQUIRE_VIRTUALENV|LOG|"
    r"BREAK_SYSTEM_PACKAGES|INDEX_URL|EXTRA_INDEX_URL|NO_INDEX|TRUSTED_HOST|PROXY)$"
)


def settings_for(sandbox: Sandbox) -> dict[str, str]:
    """Copy the files that the settings name into ``sandbox``; the variables that point at them.

    Passed on are pip's and uv's index settings, find-links folders, the CA bundle, netrc and the
    proxy. An index on this machine's loopback is reached with the network mode ``host`` only.
    """
    settings = index_settings()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PIP_") and not _NOT_PASSED.match(name)
    }
    environment |= _indexes(settings)
    environment |= proxies()
    if settings.proxy:
        environment["PIP_PROXY"] = settings.proxy
    if settings.ca_bundle and settings.ca_bundle.is_file():
        place = f"{_FOLDER}/ca.pem"
        sandbox.write(place, settings.ca_bundle.read_bytes())
        environment |= dict.fromkeys(_CA_VARIABLES, place)
    netrc = Path(os.environ.get("NETRC") or Path.home() / ".netrc")
    if netrc.is_file():
        place = f"{_FOLDER}/netrc"
        sandbox.write(place, netrc.read_bytes(), 0o600)
        environment["NETRC"] = place
    links = list(_links(settings, sandbox))
    if links:
        environment["PIP_FIND_LINKS"] = " ".join(links)
    environment |= {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_ROOT_USER_ACTION": "ignore"}
    environment |= {"PIP_NO_INPUT": "1", "PIP_CACHE_DIR": "/bundle/pip-cache"}
    return environment


def _indexes(settings: IndexSettings) -> dict[str, str]:
    """The indexes as pip's variables; uv's settings win where there are any."""
    index, extra = settings.index_url, list(settings.extra_index_urls)
    no_index = settings.no_index
    if settings.from_uv:
        index = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL")
        words = f"{os.environ.get('UV_INDEX', '')} {os.environ.get('UV_EXTRA_INDEX_URL', '')}"
        extra = [word.partition("=")[2] if _is_named(word) else word for word in words.split()]
        no_index = os.environ.get("UV_NO_INDEX", "").lower() in ("1", "true")
    found = {
        "PIP_INDEX_URL": index or "",
        "PIP_EXTRA_INDEX_URL": " ".join(extra),
        "PIP_TRUSTED_HOST": " ".join(settings.trusted_hosts),
        "PIP_NO_INDEX": "1" if no_index else "",
    }
    return {name: value for name, value in found.items() if value}


def _is_named(word: str) -> bool:
    return re.match(r"[A-Za-z0-9._-]+=", word) is not None


def _links(settings: IndexSettings, sandbox: Sandbox) -> Iterator[str]:
    places = list(settings.find_links)
    if settings.from_uv:
        places = [word for word in re.split(r"[\s,]+", os.environ.get("UV_FIND_LINKS", "")) if word]
    for number, place in enumerate(places):
        parts = urlsplit(place)
        if parts.scheme in ("http", "https"):
            yield place
            continue
        folder = Path(url2pathname(parts.path) if parts.scheme == "file" else place)
        if folder.is_dir() and any(folder.iterdir()):
            sandbox.put(folder, f"{_FOLDER}/links{number}")
            yield f"{_FOLDER}/links{number}"
