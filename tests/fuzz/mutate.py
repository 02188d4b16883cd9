"""Mutations that know what they mutate: zips stay zips, JSON stays JSON, so that what is behind the
parser is reached too.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
import stat
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import tomli_w
import yaml

from bundler.support.toml import tomllib
from tests.support.raw_zip import RawMember, raw_zip

Mutate = Callable[[bytes, random.Random], bytes]

NAMES = (
    "../outside",
    "/absolute",
    "a/../../b",
    "a//b",
    ".",
    "..",
    "",
    "C:/windows",
    "back\\slash",
    "new\nline",
    "nul\0byte",
    "\x1b[31mred",
    "x" * 300,
    "deep/" * 1500 + "file",
    "é\u202ecod.py",
    "__init__.py",
    "demo-1.0.dist-info/RECORD",
    "demo-1.0.data/scripts/../../x",
    "bundle-manifest.json",
    "META-INF/MANIFEST.MF",
)

_TEXTS = (
    "",
    "\0",
    "a\nb",
    "\x1b]0;title\x07",
    "--index-url=http://127.0.0.1:9/",
    "-r /etc/passwd",
    "../../etc/passwd",
    "/dev/zero",
    "file:///etc/passwd",
    "http://user:secret@127.0.0.1:9/x.whl",
    "http://[::1",
    "6" * 5000,
    "1.0+local",
    ">=1,<1",
    "{}[]",
    "\ud800",
    "é" * 300,
    "venv",
    "3.11",
)

_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1 << 63,
    10**400,
    1.5,
    float("inf"),
    float("nan"),
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"a": {"b": []}},
    *_TEXTS,
)


def mutate_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip, cut, double or insert a few bytes."""
    changed = bytearray(data or b"\0")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(changed)) if changed else 0
        length = min(rng.choice((1, 1, 2, 4, 8, 64)), len(changed) - at)
        kind = rng.randrange(6)
        if kind == 0 and changed:
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and changed:
            changed[at : at + length] = bytes(rng.randrange(256) for _ in range(length))
        elif kind == 2:
            del changed[at : at + length]
        elif kind == 3:
            changed[at:at] = changed[at : at + length] * rng.choice((1, 2, 100))
        elif kind == 4 and length in (1, 2, 4, 8):
            value = rng.choice((0, 1, 0x7F, 0x80, 0xFF, (1 << 8 * length) - 1))
            changed[at : at + length] = (value & ((1 << 8 * length) - 1)).to_bytes(length, "little")
        else:
            changed[at:at] = rng.choice(_TEXTS).encode(errors="surrogatepass")
    return bytes(changed)


def mutate_tree(value: Any, rng: random.Random) -> Any:
    """The tree of dicts and lists with one of its values or keys replaced, dropped or wrapped."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(sorted(value, key=str))
        kind = rng.randrange(10)
        if kind == 0:
            return {each: inner for each, inner in value.items() if each != key}
        if kind == 1:
            return {**value, rng.choice(_TEXTS): value[key]}
        return {**value, key: mutate_tree(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        if rng.randrange(6) == 0:
            return [*value, value[at]]
        return [*value[:at], mutate_tree(value[at], rng), *value[at + 1 :]]
    if isinstance(value, str) and rng.random() < 0.5:
        text = rng.choice(_TEXTS)
        at = rng.randrange(len(value) + 1)
        return value[:at] + text + value[at:]
    if rng.randrange(20) == 0:
        for _ in range(rng.choice((1, 50, 3000))):
            value = [value]
        return value
    return rng.choice(_VALUES)


def mutate_json(data: bytes, rng: random.Random) -> bytes:
    """JSON with one value replaced; other bytes as `mutate_bytes`."""
    return _reread(data, rng, json.loads, lambda value: _nested_json(value))


def _nested_json(value: Any) -> str:
    try:
        return json.dumps(value)
    except RecursionError:
        return "[" * 20000 + "]" * 20000


def mutate_toml(data: bytes, rng: random.Random) -> bytes:
    """TOML with one value replaced; other bytes as `mutate_bytes`."""
    return _reread(data, rng, lambda text: tomllib.loads(text.decode()), tomli_w.dumps)


def mutate_yaml(data: bytes, rng: random.Random) -> bytes:
    """YAML with one value replaced; other bytes as `mutate_bytes`."""
    return _reread(data, rng, yaml.safe_load, yaml.safe_dump)


def _reread(
    data: bytes,
    rng: random.Random,
    read: Callable[[bytes], Any],
    write: Callable[[Any], str],
) -> bytes:
    if rng.random() < 0.3:
        return mutate_bytes(data, rng)
    try:
        return write(mutate_tree(read(data), rng)).encode(errors="surrogatepass")
    except Exception:  # what these libraries raise for odd values is not what is looked for
        return mutate_bytes(data, rng)


def mutate_lines(data: bytes, rng: random.Random) -> bytes:
    """Text with lines moved, doubled, joined or changed."""
    lines = data.split(b"\n")
    kind = rng.randrange(5)
    at = rng.randrange(len(lines))
    if kind == 0:
        lines.insert(at, rng.choice(lines))
    elif kind == 1:
        del lines[at]
    elif kind == 2:
        lines[at] += b" \\"
    else:
        lines[at] = mutate_bytes(lines[at], rng)
    return b"\n".join(lines)


def mutate_zip(data: bytes, rng: random.Random) -> bytes:
    """A zip with one member renamed, changed, doubled, made a link, or dropped.

    Half of the time RECORD is brought up to date, so that the wheel is not refused for that. What
    cannot be read as a zip, and one time in twenty any, is changed as bytes.
    """
    if rng.random() < 0.05:
        return mutate_bytes(data, rng)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            found = archive.infolist()
            if sum(info.file_size for info in found) > 1 << 20 or len(found) > 100:
                return mutate_bytes(data, rng)
            members = [(info.filename, info.external_attr, archive.read(info)) for info in found]
    except Exception:
        return mutate_bytes(data, rng)
    if members:
        _change_member(members, rng)
    if rng.random() < 0.5:
        members = _with_record(members)
    return zip_of(members, rng)


def _change_member(members: list[tuple[str, int, bytes]], rng: random.Random) -> None:
    at = rng.randrange(len(members))
    name, attributes, content = members[at]
    kind = rng.randrange(8)
    if kind == 0:
        members[at] = (rng.choice(NAMES), attributes, content)
    elif kind == 1:
        inner = rng.choice((mutate_bytes, mutate_lines, mutate_json))
        members[at] = (name, attributes, inner(content, rng))
    elif kind == 2:
        members.append((name, attributes, content))
    elif kind == 3:
        target = rng.choice((*NAMES, *(other for other, _, _ in members)))
        link = (stat.S_IFLNK | 0o777) << 16
        members.append((f"link{rng.randrange(3)}", link, target.encode(errors="replace")))
    elif kind == 4:
        del members[at]
    elif kind == 5:
        members[at] = (name, rng.choice((0, 0o20777, 0o10644, 0o104755, 0o40755)) << 16, content)
    elif kind == 6:
        members[at] = (name, attributes, content * rng.choice((0, 2, 50)))
    else:
        members[at] = (f"{name}/{rng.choice(NAMES)}", attributes, content)


def _with_record(members: list[tuple[str, int, bytes]]) -> list[tuple[str, int, bytes]]:
    rows = []
    record = next((name for name, _, _ in members if name.endswith(".dist-info/RECORD")), "")
    for name, _, content in members:
        if name != record:
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
            rows.append(f'"{name}",sha256={digest.decode()},{len(content)}\n')
    text = f"{''.join(rows)}{record},,\n".encode(errors="replace")
    return [
        (name, attributes, text if name == record else content)
        for name, attributes, content in members
    ]


def zip_of(members: list[tuple[str, int, bytes]], rng: random.Random | None = None) -> bytes:
    """A zip of (name, external attributes, content); ``rng`` now and then writes a field wrong."""
    made = [RawMember(name, content, attributes >> 16) for name, attributes, content in members]
    if rng is not None and made and rng.randrange(20) == 0:
        at = rng.randrange(len(made))
        odd = rng.choice((0, 1, 8, 9, 0xFFFF))
        field, value = rng.choice(
            (
                ("method", odd),
                ("flags", odd),
                ("needed", odd),
                ("crc", odd),
                ("stated_size", rng.choice((0, 1, 1 << 31, 0xFFFFFFFF))),
                ("stated_compressed", rng.choice((0, 1, 1 << 31, 0xFFFFFFFF))),
                ("local_size", odd),
                ("local_name", "other"),
                ("extra", struct.pack("<2H", 1, odd) + bytes(8)),
                ("offset", odd),
            )
        )
        made[at] = replace(made[at], **{field: value})
    return raw_zip(made)


def zip_of_files(files: Mapping[str, bytes]) -> bytes:
    """A sound zip of regular files."""
    return raw_zip(RawMember(name, content) for name, content in files.items())
