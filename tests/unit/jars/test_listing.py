from __future__ import annotations

import hashlib
import os
import struct
import sys
import zipfile
from pathlib import Path

import pytest

from bundler.errors import UsageError
from bundler.jars.listing import jar_list
from bundler.support.progress import Progress


class Warnings(Progress):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def warn(self, text: str) -> None:
        self.texts.append(text)


def make_jar(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as jar:
        for name in names:
            jar.writestr(name, b"\xca\xfe\xba\xbe")
    return path


def test_order_hash_and_size_are_kept(tmp_path):
    second = make_jar(tmp_path / "b.jar", "b/B.class")
    first = make_jar(tmp_path / "a.jar", "META-INF/services/a.b.Factory")

    jars = jar_list([second, first])

    assert [jar.name for jar in jars] == ["b.jar", "a.jar"]
    assert jars[0].sha256 == hashlib.sha256(second.read_bytes()).hexdigest()
    assert jars[0].size == second.stat().st_size
    assert jars[0].path.is_absolute()


@pytest.mark.parametrize(
    ("name", "members", "said"),
    [
        ("x-1.0-py3-none-any.whl", ["x.py", "x-1.0.dist-info/WHEEL"], "wheel"),
        ("renamed.jar", ["x.py", "x-1.0.dist-info/WHEEL"], "wheel"),
        ("x.zip", ["a/A.class"], r"does not end in \.jar"),
        ("x.jar", ["readme.txt"], "neither classes nor META-INF"),
    ],
)
def test_what_is_no_jar_is_refused(tmp_path, name, members, said):
    file = make_jar(tmp_path / name, *members)

    with pytest.raises(UsageError, match=said) as raised:
        jar_list([file])

    assert name in raised.value.found


def test_a_truncated_jar_is_refused(tmp_path):
    jar = make_jar(tmp_path / "a.jar", "a/A.class")
    jar.write_bytes(jar.read_bytes()[:-30])

    with pytest.raises(UsageError, match=r"a\.jar is not a zip file"):
        jar_list([jar])


def test_a_missing_jar_and_a_folder(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.jar does not exist"):
        jar_list([tmp_path / "gone.jar"])
    with pytest.raises(UsageError, match="is a folder"):
        jar_list([tmp_path])


def test_two_of_one_name_are_refused(tmp_path):
    files = [make_jar(tmp_path / folder / "a.jar", "a/A.class") for folder in ("x", "y")]

    with pytest.raises(UsageError, match=r"Two JARs are named a\.jar"):
        jar_list(files)


def test_one_class_in_two_jars_is_warned_of(tmp_path):
    warnings = Warnings()
    one = make_jar(tmp_path / "one.jar", "a/A.class", "a/B.class", "module-info.class")
    two = make_jar(tmp_path / "two.jar", "a/A.class", "a/B.class", "module-info.class")

    jar_list([one, two], warnings)

    assert warnings.texts == ["two.jar and one.jar both have a/A.class and 1 more."]


def test_a_name_that_is_there_twice_is_java_s_matter(tmp_path):
    jar = make_jar(tmp_path / "a.jar", "a/A.class")
    with zipfile.ZipFile(jar, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("a/A.class", b"other")

    assert [found.name for found in jar_list([jar])] == ["a.jar"]


def patched(jar: Path, before: bytes, after: bytes, count: int = -1) -> Path:
    data = jar.read_bytes()
    assert before in data
    jar.write_bytes(data.replace(before, after, count))
    return jar


def wrong_crc(jar: Path) -> Path:
    return patched(jar, b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf")


def wrong_version(jar: Path) -> Path:
    return patched(jar, b"PK\x01\x02\x14\x03\x14", b"PK\x01\x02\x14\x03\xff")


def control_characters(jar: Path) -> Path:
    return patched(jar, b"a/A.class", b"a/\x1b[2Jsss")


def leads_out(jar: Path) -> Path:
    return patched(jar, b"a/A.class", b"../.class")


def wrong_method(jar: Path) -> Path:
    record = jar.read_bytes().index(b"PK\x01\x02")
    data = bytearray(jar.read_bytes())
    data[record + 10] = 12
    jar.write_bytes(data)
    return jar


def encrypted(jar: Path) -> Path:
    record = jar.read_bytes().index(b"PK\x01\x02")
    data = bytearray(jar.read_bytes())
    data[record + 8] = 1
    jar.write_bytes(data)
    return jar


def moved(jar: Path) -> Path:
    record = jar.read_bytes().index(b"PK\x01\x02")
    data = bytearray(jar.read_bytes())
    data[record + 42] = 3
    jar.write_bytes(data)
    return jar


def a_million_files(jar: Path) -> Path:
    entry = jar.read_bytes()
    record, end = entry.index(b"PK\x01\x02"), entry.index(b"PK\x05\x06")
    count = 1_000_000
    listed = entry[record:end] * count
    start = record
    with jar.open("wb") as file:
        file.write(entry[:record] + listed)
        file.write(
            struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, len(listed), start)
        )
        file.write(struct.pack("<4sLQL", b"PK\6\7", 0, start + len(listed), 1))
        file.write(
            struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
        )
    return jar


def claims_too_much(jar: Path) -> Path:
    record = jar.read_bytes().index(b"PK\x01\x02")
    data = bytearray(jar.read_bytes())
    data[record + 24 : record + 28] = b"\xff\xff\xff\x7f"
    jar.write_bytes(data)
    return jar


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (wrong_crc, r"is damaged: a/A\.class: its CRC is wrong"),
        (wrong_version, r"needs version 25\.5 of the zip format"),
        (control_characters, r"'a/\\x1b\[2Jsss': its name has control characters"),
        (leads_out, r"\.\./\.class: its name leads out"),
        (wrong_method, "its compression method 12 is not deflate"),
        (encrypted, "it is encrypted"),
        (moved, "it is not where the central directory says"),
        (a_million_files, "it has 1,000,000 files, more than 500,000"),
        (claims_too_much, "it does not have the 2,147,483,647 bytes"),
    ],
)
def test_a_damaged_or_odd_jar_is_one_message(tmp_path, damage, said):
    jar = damage(make_jar(tmp_path / "odd.jar", "a/A.class"))

    with pytest.raises(UsageError, match=said) as raised:
        jar_list([jar])

    assert raised.value.found.startswith("odd.jar ")
    assert raised.value.found.isprintable()


def test_a_bomb_is_left_at_the_size_that_it_states(tmp_path):
    jar = tmp_path / "bomb.jar"
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/A.class", bytes(64 << 20))
    data = bytearray(jar.read_bytes())
    record = data.index(b"PK\x01\x02")
    data[record + 24 : record + 28] = (10).to_bytes(4, "little")
    jar.write_bytes(data)

    with pytest.raises(UsageError, match="it does not have the 10 bytes that are stated"):
        jar_list([jar])


def test_a_pipe_or_a_device_is_told_of_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.jar")
    (tmp_path / "zero.jar").symlink_to("/dev/zero")

    with pytest.raises(UsageError, match=r"pipe\.jar is a named pipe"):
        jar_list([tmp_path / "pipe.jar"])
    with pytest.raises(UsageError, match=r"zero\.jar is a device"):
        jar_list([tmp_path / "zero.jar"])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_large_and_empty_files_are_read_whole(tmp_path, method):
    jar = tmp_path / "a.jar"
    with zipfile.ZipFile(jar, "w", method) as archive:
        archive.writestr("a/A.class", os.urandom(3 << 20) + bytes(5 << 20))
        archive.writestr("a/Empty.class", b"")
        archive.mkdir("b") if sys.version_info >= (3, 11) else None

    assert jar_list([jar])[0].size == jar.stat().st_size
