"""The one HTTP client: with the CA bundle and the proxy that pip or uv is set up for."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from bundler.errors import UsageError
from bundler.support.index import IndexSettings

if TYPE_CHECKING:
    import httpx


CONNECTIONS = 8
"""How many are open at once."""

_STALL_SECONDS = 60.0


def http_client(settings: IndexSettings) -> httpx.Client:
    """A client for the indexes of ``settings``; the caller closes it.

    Raises UsageError if the CA bundle or the proxy cannot be used.
    """
    import httpx

    bundle = settings.ca_bundle
    try:
        verify = ssl.create_default_context(
            cafile=str(bundle) if bundle and bundle.is_file() else None,
            capath=str(bundle) if bundle and bundle.is_dir() else None,
        )
    except ssl.SSLError as error:
        raise UsageError(
            f"The CA bundle {bundle} could not be read: {error.reason}.",
            "Expected certificates in PEM format.",
            "Change SSL_CERT_FILE or pip's cert setting.",
        ) from error
    try:
        return httpx.Client(
            verify=verify,
            proxy=settings.proxy,
            follow_redirects=True,
            max_redirects=10,
            timeout=_STALL_SECONDS,
            limits=httpx.Limits(max_connections=CONNECTIONS),
            headers={"Accept-Encoding": "identity"},
            mounts={
                f"https://{host}": httpx.HTTPTransport(verify=False)
                for host in settings.trusted_hosts
            },
        )
    except (ValueError, httpx.InvalidURL) as error:
        raise UsageError(
            f"The proxy settings are not valid: {error}.",
            "Expected a proxy such as http://proxy:3128.",
            "Change PIP_PROXY, HTTPS_PROXY, HTTP_PROXY or ALL_PROXY.",
        ) from error
