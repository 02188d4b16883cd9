"""Hosts that lie, stall, drip and never end: one error, in bounded time and disk."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bundler.errors import FetchError, UsageError
from bundler.support.cache import Cache
from bundler.support.download import download
from bundler.support.limits import TransferLimits, transfer_limits
from bundler.support.progress import Progress
from bundler.support.transfer import Download
from tests.support.hostile_host import Answer, hostile_host, sends

BODY = b"0123456789" * 100
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Notes(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(autouse=True)
def quick(clean_environment: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    clean_environment.setattr("bundler.support.transfer._PAUSE_SECONDS", 0.01)
    clean_environment.setattr("bundler.support.transfer.WINDOW_SECONDS", 1.0)
    return clean_environment


def fetched(folder: Path, answer: Answer, size: int | None = None) -> tuple[str, list[str], int]:
    """The error, what was noted, and how often the host was asked."""
    notes = Notes()
    with hostile_host(answer) as host:
        digest = hashlib.sha256(BODY).hexdigest()
        item = Download("demo", "demo.bin", f"{host.url}/demo.bin", digest, size)
        with pytest.raises(FetchError) as caught:
            download([item], Cache(folder), notes)
        asked = len(host.requests)
    assert all((caught.value.found, caught.value.expected, caught.value.remedy))
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    return str(caught.value), notes.notes, asked


@pytest.mark.parametrize(
    ("answer", "size", "said", "asked"),
    [
        # bodies without an end
        (sends(OK + b"\r\n", b"x" * 65536, then="repeat"), 1000, "more than 1,000 bytes", 1),
        (sends(CHUNKED, b"400\r\n" + b"x" * 1024 + b"\r\n", then="repeat"), 1000, "more than", 1),
        (sends(OK + b"Content-Length: 99999\r\n\r\n", then="stall"), 1000, "more than 1,000", 1),
        # stalls and drips, before the header, in it, in the body, and in a chunk's length
        (sends(then="stall"), None, "less than 1024 bytes a second", 3),
        (sends(OK, b"X: y\r\n", then="drip"), None, "less than 1024 bytes a second", 3),
        (sends(OK + b"\r\n", b"x", then="drip"), None, "less than 1024 bytes a second", 3),
        (sends(CHUNKED + b"1;", b"x", then="drip"), None, "less than 1024 bytes a second", 3),
        # what is not HTTP, and what is cut off
        (sends(b"220 smtp.example\r\n"), None, "could not be fetched from 127.0.0.1", 3),
        (sends(OK + b"Content-Length: 2000\r\n\r\n" + BODY), 1000, "more than 1,000", 1),
        (sends(OK + b"Content-Length: 1000\r\n\r\nxx"), 1000, "could not be fetched", 3),
        (sends(OK + b"Content-Length: -5\r\n\r\nxx"), 1000, "could not be fetched", 3),
        (sends(CHUNKED + b"zz\r\nxx"), None, "could not be fetched", 3),
        (sends(), None, "could not be fetched", 3),
        # redirects
        (
            sends(b"HTTP/1.1 302 F\r\nLocation: /x\r\nConnection: close\r\n\r\n"),
            None,
            "redirect",
            11,
        ),
        (sends(b"HTTP/1.1 302 F\r\nLocation: ftp://h/\r\n\r\n"), None, "could not be fetched", 3),
        (sends(b"HTTP/1.1 302 F\r\nLocation: http://[\r\n\r\n"), None, "could not be fetched", 3),
        (sends(b"HTTP/1.1 302 F\r\n\r\n"), None, "answered 302", 1),
    ],
)
def test_what_a_host_may_do(
    tmp_path: Path, answer: Answer, size: int | None, said: str, asked: int
) -> None:
    error, notes, requests = fetched(tmp_path, answer, size)
    assert said in error
    assert requests == asked
    assert len(error.splitlines()) == 3
    # Each attempt after the first was said.
    assert len(notes) == (2 if asked == 3 else 0)
    assert all("Trying again" in note for note in notes)


def test_a_file_without_a_size_is_bounded_too(tmp_path: Path, quick: pytest.MonkeyPatch) -> None:
    quick.setenv("BUNDLE_HTTP_LARGEST", "100000")
    error, _, asked = fetched(tmp_path, sends(OK + b"\r\n", b"x" * 65536, then="repeat"))
    assert "more than 100,000 bytes" in error
    assert "BUNDLE_HTTP_LARGEST" in error
    assert asked == 1


def test_a_file_has_its_time(tmp_path: Path, quick: pytest.MonkeyPatch) -> None:
    quick.setenv("BUNDLE_HTTP_DEADLINE", "2")
    quick.setenv("BUNDLE_HTTP_LEAST_RATE", "0")
    error, _, asked = fetched(tmp_path, sends(OK + b"\r\n", b"x" * 100, then="drip"))
    assert "did not arrive from 127.0.0.1 within 2 seconds" in error
    assert "BUNDLE_HTTP_DEADLINE" in error
    assert asked == 1


def test_one_failure_ends_the_others(tmp_path: Path, quick: pytest.MonkeyPatch) -> None:
    quick.setattr("bundler.support.transfer.WINDOW_SECONDS", 60.0)
    refuses = sends(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
    with hostile_host(sends(then="stall")) as stalls, hostile_host(refuses) as host:
        items = [
            Download("demo", f"demo{at}.bin", f"{url}/demo.bin", f"{at}" * 64)
            for at, url in enumerate([*[stalls.url] * 5, host.url])
        ]
        with pytest.raises(FetchError, match="answered 404"):
            download(items, Cache(tmp_path))


@pytest.mark.parametrize("kind", ["folder", "link", "damaged"])
def test_what_is_in_the_place_of_a_file_is_replaced(tmp_path: Path, kind: str) -> None:
    digest = hashlib.sha256(BODY).hexdigest()
    cache = Cache(tmp_path / "cache")
    place = cache.path("wheels", digest, "demo.bin")
    place.parent.mkdir(parents=True)
    (tmp_path / "elsewhere").write_bytes(BODY)
    if kind == "folder":
        (place / "inner").mkdir(parents=True)
    elif kind == "link":
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.write_bytes(b"x")
    with hostile_host(sends(OK + b"Content-Length: 1000\r\n\r\n" + BODY)) as host:
        item = Download("demo", "demo.bin", f"{host.url}/demo.bin", digest, 1000)
        assert download([item], cache) == [place]
    assert place.read_bytes() == BODY
    assert not place.is_symlink()


def test_limits_are_settable() -> None:
    assert transfer_limits({}) == TransferLimits()
    environment = {"BUNDLE_HTTP_DEADLINE": "5", "BUNDLE_HTTP_LEAST_RATE": "0"}
    assert transfer_limits(environment) == TransferLimits(deadline=5, least_rate=0)
    for value in ("x", "-1", "nan", "inf", "0"):
        with pytest.raises(UsageError, match=f"BUNDLE_HTTP_DEADLINE is '{value}'"):
            transfer_limits({"BUNDLE_HTTP_DEADLINE": value})
