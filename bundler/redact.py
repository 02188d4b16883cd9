"""What must not be shown: passwords in URLs, headers and the environment.

`BundlerError` passes its three parts through `redact`, and so does all that prints or logs what
another program said. Nothing else hides secrets.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from urllib.parse import unquote

HIDDEN = "****"

_SECRET_WORDS = (
    r"(?:password|passwd|passphrase|token(?!iz)|secret|signature|credentials?|api[-_]?key"
    r"|access[-_]?key|private[-_]?key|auth(?:orization)?(?![a-z]))"
)
# All repeats are bounded: what is searched may be a megabyte that a stranger wrote.
_SCHEME = r"(?P<scheme>[a-z][a-z0-9+.-]{0,20}://)"
# Up to the last @ before the path: a password may hold an @ that somebody did not quote.
_USER = re.compile(_SCHEME + r"(?P<user>[^/?#\s'\"<>]{0,2048})@", re.IGNORECASE)
# A password with a slash or a question mark that nobody quoted. After a port there is no password.
_BROKEN_USER = re.compile(
    _SCHEME + r"(?P<user>[^/?#\s\[:@]{0,256}:(?!\*{4}@|\d*(?:[/?#\s]|$))\S{0,2048})@",
    re.IGNORECASE,
)
_QUERY = re.compile(
    rf"(?P<name>[?&;](?:[^?&;=#\s]{{0,64}}{_SECRET_WORDS}[^?&;=#\s]{{0,64}}|sig)=)[^&;#\s'\"<>]+",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?P<name>\b(?:(?:proxy-)?authorization|(?:set-)?cookie"
    rf"|(?<![a-z-])x-[a-z-]{{0,40}}{_SECRET_WORDS}[a-z-]{{0,40}})"
    r"['\"]?[ \t]{0,9}[:=][ \t]{0,9})(?![ \t*])[^\r\n]+",
    re.IGNORECASE,
)
_ASSIGNED = re.compile(
    rf"(?P<name>\b[A-Z0-9_]{{0,64}}{_SECRET_WORDS.upper()}[A-Z0-9_]{{0,64}}=)"
    r"(?:'[^']*'|\"[^\"]*\"|[^\s&;]+)"
)
_SECRET_NAME = re.compile(_SECRET_WORDS, re.IGNORECASE)
# A shorter value is likely to be part of ordinary words.
_SHORTEST = 6


def redact(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """``text`` with ``****`` in place of each secret.

    Hidden are: user and password of a URL, its query values that are called like a secret, the
    values of ``Authorization``, ``Cookie`` and their like, of ``NAME=value`` where NAME is called
    like a secret, and, wherever they occur, the values that ``environment`` has under such names
    and the passwords of the URLs in it.
    """
    text = redacted_url(text)
    text = _HEADER.sub(rf"\g<name>{HIDDEN}", text)
    text = _ASSIGNED.sub(rf"\g<name>{HIDDEN}", text)
    for secret in sorted(set(_secrets(environment)), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return text


def redacted_url(text: str) -> str:
    """``text``, a URL or something with URLs in it, without their passwords and tokens.

    The user stays where a password follows; a user alone is a token, except of ssh.
    """
    text = _USER.sub(_shown, text)
    if "@" in text:
        text = _BROKEN_USER.sub(_shown, text)
    return _QUERY.sub(rf"\g<name>{HIDDEN}", text)


def _shown(match: re.Match[str]) -> str:
    scheme, user = match["scheme"], match["user"]
    name, colon, _ = user.partition(":")
    if colon:
        return f"{scheme}{name}:{HIDDEN}@"
    return match[0] if scheme.lower().endswith("ssh://") else f"{scheme}{HIDDEN}@"


def _secrets(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        found = [value] if _SECRET_NAME.search(name) else []
        if "://" in value:
            for url in _USER.finditer(value):
                password = url["user"].partition(":")[2]
                found += [password, unquote(password)]
        # A path names where a secret is kept, and is no secret itself.
        yield from (
            secret
            for secret in found
            if len(secret) >= _SHORTEST and not secret.startswith("/") and "://" not in secret
        )
