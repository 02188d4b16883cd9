from __future__ import annotations

import pytest

from bundler.errors import UsageError
from bundler.flink.master import Master, redirected


@pytest.mark.parametrize(
    ("given", "url", "auth"),
    [
        ("host:8081", "http://host:8081", None),
        ("http://host:8081/", "http://host:8081", None),
        ("HTTPS://gateway.example/flink/", "https://gateway.example/flink", None),
        ("[::1]:8081", "http://[::1]:8081", None),
        ("https://me:p%40ss@host/x", "https://host/x", ("me", "p@ss")),
        ("me:p@ss@host:1", "http://host:1", ("me", "p@ss")),
        ("https://token@host", "https://host", ("token", "")),
    ],
)
def test_addresses(given, url, auth):
    master = Master.parse(given)

    assert (master.url, master.auth) == (url, auth)
    assert "ss" not in repr(master)


@pytest.mark.parametrize(
    "given",
    [
        *("", "http://", "ftp://host", "host:x", "ho st:1", "host:99999", "host:0", "http://[::1"),
        *("http://host?x", "http://host#x", "h\x00st", "host\n", "x" * 3000, "http://\u202ehost"),
    ],
)
def test_what_is_no_address(given):
    with pytest.raises(UsageError, match="not the address of a Flink master"):
        Master.parse(given)


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("http://host:8081/other", True),
        ("https://host/other", True),
        ("http://host/", False),
        ("http://host:8082/", False),
        ("http://host.example:8081/", False),
        ("http://evil@other:8081/", False),
    ],
)
def test_what_is_on_the_same_host(url, own):
    assert Master.parse("host:8081").is_own(url) == own
    assert not Master.parse("https://host:8081").is_own("http://host:8081")


def test_where_a_redirect_leads():
    at = "http://host:1/jobs"
    assert redirected(at, "/x") == "http://host:1/x"
    assert redirected(at, "http://me:pw@host:1/x#y") == "http://host:1/x"
    assert redirected(at, "file:///etc/passwd") is None
    assert redirected(at, "http://[") is None
