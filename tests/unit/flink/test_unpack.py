from __future__ import annotations

import io
import tarfile
import zipfile

import pytest

from bundler.errors import BuildError
from bundler.flink.unpack import unpack


def make_wheel(path, members):
    with zipfile.ZipFile(path, "w") as wheel:
        for name, mode in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            wheel.writestr(info, name)
    return path


def make_sdist(path, members):
    with tarfile.open(path, "w:gz") as sdist:
        for name, mode in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(name), mode
            sdist.addfile(info, io.BytesIO(name.encode()))
    return path


@pytest.mark.parametrize(
    ("make", "name", "prefix"),
    [(make_wheel, "x-1-py3-none-any.whl", ""), (make_sdist, "x-1.tar.gz", "x-1/")],
)
def test_only_the_wanted_folder_comes_out_with_its_execute_bits(tmp_path, make, name, prefix):
    archive = make(
        tmp_path / name,
        {
            f"{prefix}top/bin/java": 0o755,
            f"{prefix}top/lib/a.jar": 0o600,
            f"{prefix}top/../../outside": 0o644,
            f"{prefix}other/file": 0o644,
        },
    )
    folder = tmp_path / "out"

    unpack(archive, folder, "top")

    found = {
        str(path.relative_to(folder)): path.stat().st_mode & 0o777
        for path in folder.rglob("*")
        if path.is_file()
    }
    assert found == {"bin/java": 0o755, "lib/a.jar": 0o644}
    assert not (tmp_path / "outside").exists()


def test_nothing_there_and_a_damaged_file(tmp_path):
    whole = make_sdist(tmp_path / "x-1.tar.gz", {"x-1/top/" + "long" * 50: 0o644})
    with pytest.raises(BuildError, match="has no folder nothing/"):
        unpack(whole, tmp_path / "a", "nothing")

    whole.write_bytes(whole.read_bytes()[:-40])
    with pytest.raises(BuildError, match="is damaged"):
        unpack(whole, tmp_path / "b", "top")


def with_byte(path, before, offset, value):
    data = bytearray(path.read_bytes())
    data[data.index(before) + offset] = value
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda path: with_byte(path, b"PK\x01\x02", 8, 1),  # encrypted
        lambda path: with_byte(path, b"PK\x01\x02", 10, 99),  # another method
        lambda path: with_byte(path, b"PK\x01\x02", 6, 255),  # another version
        lambda path: with_byte(path, b"PK\x01\x02", 16, 1),  # another CRC
        lambda path: make_wheel(path, {"top/a": 0o644, "top/a/b": 0o644}),
        lambda path: make_wheel(path, {"top/" + "x" * 300: 0o644}),
    ],
)
def test_a_wheel_that_is_odd_is_one_message(tmp_path, change):
    wheel = change(make_wheel(tmp_path / "x-1-py3-none-any.whl", {"top/a": 0o644}))

    with pytest.raises(BuildError, match=r"x-1-py3-none-any\.whl is damaged"):
        unpack(wheel, tmp_path / "out", "top")


def test_a_bomb_is_left_at_the_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("bundler.flink.unpack._BYTES", 1 << 20)
    wheel = tmp_path / "x-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("top/a", bytes(1 << 19))
        archive.writestr("top/b", bytes(1 << 26))

    with pytest.raises(BuildError, match="unpacks to more than 1,048,576 bytes"):
        unpack(wheel, tmp_path / "out", "top")

    assert sum(path.stat().st_size for path in (tmp_path / "out").iterdir()) <= 1 << 20
