"""What an index has of some projects, by its simple API (PEP 503, PEP 691)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel

from bundler.errors import FetchError
from bundler.support.deadline import Deadline
from bundler.support.http import http_client
from bundler.support.index import index_settings
from bundler.wheelhouse.repository import Repository

if TYPE_CHECKING:
    import httpx

_SIMPLE = "application/vnd.pypi.simple.v1+json"
_LARGEST = 64 << 20
_SECONDS = 120.0


class _File(BaseModel):
    filename: str
    hashes: dict[str, str] = {}


class _Project(BaseModel):
    files: list[_File]


def list_files(projects: Iterable[str], repository: Repository) -> dict[str, str]:
    """The file names of ``projects`` in the index of ``repository``, and their SHA-256 or "".

    Raises FetchError if the index cannot be read in time or what it answers is not a list.
    """
    settings = index_settings()
    base = repository.simple_url
    user = repository.simple_credentials or settings.credentials(urlsplit(base).hostname or "")
    found: dict[str, str] = {}
    with http_client(settings) as client:
        for project in sorted(set(projects)):
            url = f"{base}{project}/"
            try:
                found.update(_listed(client, url, user))
            except _UnreadError as error:
                raise FetchError(
                    f"Could not list the files on {repository.shown}: {url}: {error}",
                    "Expected a simple index (PEP 503).",
                    "Give its URL with --simple-url.",
                ) from error
    return found


class _UnreadError(Exception):
    """What is wrong with an index's answer."""


def _listed(client: httpx.Client, url: str, user: tuple[str, str] | None) -> dict[str, str]:
    import httpx

    deadline = Deadline()
    headers = {"Accept": f"{_SIMPLE}, text/html;q=0.1"}
    extensions = dict(deadline.extensions)
    try:
        with (
            deadline.within(_SECONDS),
            client.stream("GET", url, auth=user, headers=headers, extensions=extensions) as answer,
        ):
            if answer.status_code == 404:
                return {}
            if answer.status_code != 200:
                raise _UnreadError(f"status {answer.status_code}")
            text = _text(answer)
            kind = answer.headers.get("content-type", "")
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        if not deadline.passed:
            raise _UnreadError(str(error) or type(error).__name__) from error
    # A body of no stated length just ends when the connection does.
    if deadline.passed:
        raise _UnreadError(f"no whole answer within {_SECONDS:g} s")
    try:
        return _files(text, kind)
    except (ValueError, RecursionError) as error:
        raise _UnreadError("its answer is not a list of files") from error


def _text(answer: httpx.Response) -> str:
    data = bytearray()
    for block in answer.iter_bytes():
        data += block
        if len(data) > _LARGEST:
            raise _UnreadError(f"it answered more than {_LARGEST >> 20} MiB")
    return data.decode("utf-8", errors="replace")


def _files(text: str, kind: str) -> dict[str, str]:
    if "json" in kind:
        project = _Project.model_validate(json.loads(text))
        return {file.filename: file.hashes.get("sha256", "") for file in project.files}
    found = {}
    for address in re.findall(r"""href\s{0,9}=\s{0,9}["']([^"']{1,4096})""", text):
        name = unquote(urlsplit(address).path.rpartition("/")[2])
        match = re.search(r"sha256=([0-9a-f]{64})", address)
        found[name] = match[1] if match else ""
    return found
