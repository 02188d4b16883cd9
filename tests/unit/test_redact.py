"""Secrets do not show; what is no secret does."""

from __future__ import annotations

import pytest

from bundler.errors import UsageError
from bundler.redact import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:pw@host/path", "http://user:****@host/path"),
        ("http://user:p@ss:w@host/path", "http://user:****@host/path"),
        ("http://user:pa/ss@host/x", "http://user:****@host/x"),
        ("http://user:pa?s#s@host/x", "http://user:****@host/x"),
        ("https://ghp_token@host/simple/", "https://****@host/simple/"),
        ("https://:pw@host/", "https://:****@host/"),
        ("git+https://me:pw@host/a.git@main", "git+https://me:****@host/a.git@main"),
        ("ssh://git:pw@host/a", "ssh://git:****@host/a"),
        ("two: HTTP://a:b@c and ftp://d:e@f.", "two: HTTP://a:****@c and ftp://d:****@f."),
        ("https://host/a?access_token=abc&x=1", "https://host/a?access_token=****&x=1"),
        ("https://host/a?X-Amz-Signature=0f0f", "https://host/a?X-Amz-Signature=****"),
        ("https://host/a?sv=1&sig=0f0f#frag", "https://host/a?sv=1&sig=****#frag"),
        ("Authorization: Bearer abc def", "Authorization: ****"),
        ("'Proxy-Authorization': 'Basic YTpi'", "'Proxy-Authorization': ****"),
        ("Cookie: a=b; c=d\nHost: x", "Cookie: ****\nHost: x"),
        ("X-Api-Key: abc", "X-Api-Key: ****"),
        ("TWINE_PASSWORD=hunter2 twine", "TWINE_PASSWORD=**** twine"),
        ("AWS_SECRET_ACCESS_KEY='a b' x", "AWS_SECRET_ACCESS_KEY=**** x"),
    ],
)
def test_secrets_are_hidden(text: str, shown: str) -> None:
    assert redact(text, {}) == shown
    assert redact(shown, {}) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/a/b@1.0",
        "http://[::1]:8080/a@1.0",
        "git+ssh://git@host/a.git@main",
        "file:///home/me@home/wheel.whl",
        "name @ https://host/a.whl#sha256=00",
        "TOKENIZERS_PARALLELISM=false",
        "GIT_AUTHOR_NAME=Somebody",
        "the author: somebody; a token is expected",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text, {}) == text


def test_values_of_the_environment_are_hidden_wherever_they_occur() -> None:
    environment = {
        "TWINE_PASSWORD": "correct-horse",
        "PIP_INDEX_URL": "https://me:batt%40ery@host/simple",
        "SSH_AUTH_SOCK": "/tmp/agent.1",
        "API_TOKEN": "short",
        "GIT_AUTHOR_NAME": "Somebody",
    }
    said = "403 for correct-horse, batt@ery, batt%40ery at /tmp/agent.1: short of Somebody"
    assert (
        redact(said, environment) == "403 for ****, ****, **** at /tmp/agent.1: short of Somebody"
    )


def test_an_error_hides_secrets_in_all_its_parts() -> None:
    error = UsageError("http://a:b@c is wrong.", "Expected ftp://d:e@f.", "See http://g:h@i.")
    assert str(error) == (
        "http://a:****@c is wrong.\nExpected ftp://d:****@f.\nSee http://g:****@i."
    )
    assert error.args == ("http://a:****@c is wrong.",)


@pytest.mark.parametrize(
    "piece", ["a", "?", "a://", "a://b:c/", "X_TOKEN", "x-", "cookie", "@", "a:b@", ";a", "TOKEN"]
)
def test_a_megabyte_of_anything_is_searched_in_one_go(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    assert len(redact(text, {})) <= len(text) * 3
