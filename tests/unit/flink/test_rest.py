from __future__ import annotations

import pytest

from bundler.errors import UsageError
from bundler.flink.model import JobBundle
from bundler.flink.rest import master_url
from bundler.flink.submit import submit
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.target import Target


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("host:8081", "http://host:8081"),
        ("http://host:8081/", "http://host:8081"),
        ("https://gateway.example/flink/", "https://gateway.example/flink"),
        ("[::1]:8081", "http://[::1]:8081"),
    ],
)
def test_addresses(given, url):
    assert master_url(given) == url


@pytest.mark.parametrize("given", ["", "http://", "ftp://host", "host:x", "ho st:1", "host:99999"])
def test_what_is_no_address(given):
    with pytest.raises(UsageError, match="not the address of a Flink master"):
        master_url(given)


def test_before_1_17_rest_alone_does_not_do():
    bundle = JobBundle(Target.parse(flink="1.16.3"), "python3")

    with pytest.raises(UsageError, match=r"1\.16\.3 cannot run a PyFlink job submitted over REST"):
        submit("host:8081", bundle, Session(Cache.default()))
