"""Tars of strangers unpacked: nothing is written or read outside of the folder."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from bundler.errors import BuildError
from bundler.support.untar import untar

LIMIT = 1 << 20


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def packed(folder: Path, *members: tarfile.TarInfo, data: bytes = b"x") -> Path:
    archive = folder / "some.tar"
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        for info in members:
            if info.isreg():
                info.size = len(data)
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return archive


def unpack(folder: Path, *members: tarfile.TarInfo, largest: int = LIMIT) -> list[str]:
    return untar(packed(folder, *members), folder / "out", what="The tar", largest=largest)


def test_files_folders_and_links_inside_are_unpacked(tmp_path: Path) -> None:
    program = member("bin/run")
    program.mode = 0o755
    left_out = unpack(
        tmp_path,
        member("bin", tarfile.DIRTYPE),
        program,
        member("bin/again", tarfile.SYMTYPE, "run"),
        member("lib/hard", tarfile.LNKTYPE, "bin/run"),
        member("bin/run"),
    )
    out = tmp_path / "out"
    assert left_out == []
    assert (out / "bin/again").resolve() == (out / "bin/run").resolve()
    assert (out / "lib/hard").read_bytes() == b"x"
    assert (out / "lib/hard").stat().st_mode & 0o777 == 0o700
    assert (out / "bin/run").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "members",
    [
        [member("../out2")],
        [member("/etc/x")],
        [member("a/../../x")],
        [member("a", tarfile.SYMTYPE, "/tmp"), member("a/x")],
        [member("a", tarfile.SYMTYPE, "."), member("a/x")],
        [member("a", tarfile.LNKTYPE, "../../../etc/passwd")],
        [member("l", tarfile.SYMTYPE, "/etc/passwd"), member("a", tarfile.LNKTYPE, "l")],
        [member("a", tarfile.LNKTYPE, "nowhere")],
        [member("a/b"), member("a")],
        [member("a"), member("a/b")],
        [member(".")],
        [member("a" * 300)],
        [member("/".join(["a" * 200] * 30))],
    ],
)
def test_what_leads_out_is_refused(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    with pytest.raises(BuildError, match=r"^The tar "):
        unpack(tmp_path, *members)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "some.tar"}


def test_links_that_lead_out_and_devices_are_left_out(tmp_path: Path) -> None:
    left_out = unpack(
        tmp_path,
        member("absolute", tarfile.SYMTYPE, "/etc/passwd"),
        member("up", tarfile.SYMTYPE, "../../etc/passwd"),
        member("a/b/top", tarfile.SYMTYPE, "../.."),
        member("chain", tarfile.SYMTYPE, "a/b/top/../some.tar"),
        member("fifo", tarfile.FIFOTYPE),
        member("device", tarfile.CHRTYPE),
    )
    assert sorted(left_out) == ["absolute", "chain", "device", "fifo", "up"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a"}


def test_sizes_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="has more than 1 bytes"):
        unpack(tmp_path, member("a"), member("b"), largest=1)


@pytest.mark.parametrize("cut", [1, 100, 511, 600])
def test_a_damaged_tar_is_one_error(tmp_path: Path, cut: int) -> None:
    archive = packed(tmp_path, member("a"), data=b"x" * 1000)
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(BuildError, match="could not be unpacked"):
        untar(archive, tmp_path / "out", what="The tar", largest=LIMIT)
