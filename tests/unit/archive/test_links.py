"""Symlinks of an archive: refused by what they lead to, not by what they look like."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from bundler.archive.entry import Entry, Inline, text_entry
from bundler.archive.links import BadLink, Links, is_inside, link_target
from bundler.archive.read import zip_entries
from bundler.archive.wheel import prefix_layout, target_layout, wheel_entries
from bundler.archive.wheel_rules import check_wheel
from bundler.archive.writer import write_archive
from bundler.errors import BuildError, UsageError, VerificationError
from bundler.verify.zips import check_archive, unpack
from tests.support.making_wheels import wheel

LINK = stat.S_IFLNK | 0o755

# Each leads out only once links are followed: `a` is two folders deep by its text, and one or none
# by what it points to.
CHAINS: list[dict[str, str]] = [
    {"a/b/c": "../..", "out": "a/b/c/../.."},
    {"deep": "x/y", "x/y": "..", "out": "deep/../.."},
    {"first": "d/second", "d/second": "../third", "third": ".", "out": "first/.."},
    {"d/e/up": "../../", "d/e/out": "up/.."},
]


def links(targets: Mapping[str, bytes | str]) -> list[Entry]:
    return [
        Entry(name, LINK, Inline(target.encode() if isinstance(target, str) else target))
        for name, target in targets.items()
    ]


def zipped(path: Path, targets: Mapping[str, bytes | str], *files: str) -> Path:
    with zipfile.ZipFile(path, "a") as archive:
        for name, data in [*targets.items(), *((name, b"x") for name in files)]:
            info = zipfile.ZipInfo(name)
            info.external_attr = (LINK if name in targets else stat.S_IFREG | 0o644) << 16
            archive.writestr(info, data)
    return path


@pytest.mark.parametrize("targets", CHAINS)
def test_a_chain_that_leads_out_is_refused_everywhere(
    tmp_path: Path, targets: dict[str, str]
) -> None:
    with pytest.raises(BuildError, match=r"out .* is a symlink that leads out of the archive"):
        write_archive([*links(targets), text_entry("z", "z")], tmp_path / "made.zip")
    archive = zipped(tmp_path / "foreign.zip", targets, "z")
    for use in (check_archive, lambda path: unpack(path, tmp_path / "unpacked")):
        with pytest.raises(VerificationError, match="out: it is a symlink that leads out"):
            use(archive)
    assert not (tmp_path / "unpacked").exists()
    made = zipped(wheel(tmp_path / "wheel", {"demo.py": ""}), targets)
    for read in (check_wheel, lambda path: wheel_entries(path, target_layout())):
        with pytest.raises(BuildError, match="out: it is a symlink that leads out"):
            read(made)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["foreign.zip", "wheel"]


def test_what_follows_a_link_that_a_file_system_would_follow_is_where_that_is(
    tmp_path: Path,
) -> None:
    targets = {"a/b/c": "../x", "l": "a/b/c/..", "m": "l/a/b/c/f", "dangling": "no/where"}
    write_archive([*links(targets), text_entry("a/x/f", "f")], tmp_path / "made.zip")
    unpack(tmp_path / "made.zip", tmp_path / "unpacked")
    followed = Links(targets)
    for name in ("a/b/c", "l", "m"):
        real = (tmp_path / "unpacked" / name).resolve()
        assert real.relative_to(tmp_path / "unpacked").as_posix() == followed.end_of(name)
    assert followed.end_of("dangling") == "no/where"


@pytest.mark.parametrize(
    ("targets", "bad"),
    [
        ({"a": "a"}, "a"),
        ({"loop": "pool", "pool": "loop"}, "loop"),
        ({"a": "b/x", "b": "a/y"}, "a"),
        ({f"l{number:02}": f"l{number + 1:02}" for number in range(41)}, "l00"),
        # Few links, whose targets go through each other some 2**20 times.
        ({f"l{number:02}": f"l{number + 1:02}/../l{number + 1:02}" for number in range(20)}, "l00"),
    ],
)
def test_circles_and_what_goes_through_too_many_are_refused(
    tmp_path: Path, targets: dict[str, str], bad: str
) -> None:
    with pytest.raises(BadLink, match="in a circle, or through too many"):
        Links(targets).end_of(bad)
    with pytest.raises(BuildError, match="in a circle"):
        write_archive(links(targets), tmp_path / "made.zip")
    archive = zipped(tmp_path / "foreign.zip", targets)
    with pytest.raises(VerificationError, match="in a circle"):
        unpack(archive, tmp_path / "unpacked")


def test_as_many_links_as_linux_follows_are_followed(tmp_path: Path) -> None:
    targets = {f"l{number:02}": f"l{number + 1:02}" for number in range(40)}
    archive = write_archive([*links(targets), text_entry("l40", "end")], tmp_path / "made.zip")
    unpack(archive.path, tmp_path / "unpacked")
    assert (tmp_path / "unpacked/l00").read_text() == "end"


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        (b"", "without a target"),
        (b"/etc/passwd", "that leads out"),
        (b"\\\\host\\share", "that leads out"),
        (b"\xff\xfe", "whose target is not UTF-8"),
        (b"a\nb", "whose target has control characters"),
        (b"a\0b", "whose target has control characters"),
        (b"\x1b[2J", "whose target has control characters"),
        (b"x" * 4096, "with a target of 4,096 bytes"),
        (b"x/" * 40_000, "bytes"),
    ],
)
def test_targets_that_no_worker_takes_are_refused(
    tmp_path: Path, target: bytes, problem: str
) -> None:
    with pytest.raises(BadLink, match=problem):
        link_target(target)
    with pytest.raises(BuildError, match=problem) as caught:
        write_archive(links({"l": target}), tmp_path / "made.zip")
    assert all(line.isprintable() for line in str(caught.value).splitlines())
    archive = zipped(tmp_path / "foreign.zip", {"l": target})
    for use in (check_archive, lambda path: unpack(path, tmp_path / "unpacked")):
        with pytest.raises(VerificationError, match=problem):
            use(archive)
    with pytest.raises(UsageError, match=problem):
        zip_entries(archive)
    made = zipped(wheel(tmp_path / "wheel", {"demo.py": ""}), {"demo/l": target})
    layout = prefix_layout("venv", "lib/python3.11/site-packages", "bin/python3.11", "3.11")
    for read in (check_wheel, lambda path: wheel_entries(path, layout)):
        with pytest.raises(BuildError, match=problem):
            read(made)


def test_a_target_that_inflates_to_anything_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    info = zipfile.ZipInfo("l")
    info.external_attr = LINK << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, b"x" * (1 << 20), zipfile.ZIP_DEFLATED)
    with pytest.raises(VerificationError, match="more than 65,536 bytes"):
        check_archive(path)
    with pytest.raises(UsageError, match="more than 65,536 bytes"):
        zip_entries(path)


@pytest.mark.parametrize("target", ["folder", b"folder"])
def test_a_file_below_a_link_or_a_file_is_refused(tmp_path: Path, target: str | bytes) -> None:
    inside = [text_entry("folder/x", ""), text_entry("l/x", "")]
    with pytest.raises(BuildError, match="l is a symlink of the archive, and a folder of"):
        write_archive([*links({"l": target}), *inside], tmp_path / "made.zip")
    with pytest.raises(BuildError, match="l is a file of the archive, and a folder of"):
        write_archive([text_entry("l", ""), *inside], tmp_path / "made.zip")
    with pytest.raises(BuildError, match="l is a file of one, and a folder of two"):
        write_archive(
            [text_entry("l", "", owner="one"), text_entry("l/b/c", "", owner="two")],
            tmp_path / "made.zip",
        )
    archive = zipped(tmp_path / "foreign.zip", {"l": target}, "l/x", "folder/x")
    for use in (check_archive, lambda path: unpack(path, tmp_path / "unpacked")):
        with pytest.raises(VerificationError, match="l/x: its folder l is a symlink"):
            use(archive)
    assert not (tmp_path / "unpacked").exists()


@pytest.mark.parametrize(
    ("name", "target", "inside"),
    [
        ("a/b", "../c", True),
        ("a/b", ".", True),
        ("a/b", "..", True),
        ("a/b", "../..", False),
        ("a", "../venv/a", False),
        ("a", "b/../../a", False),
        ("a", "/a", False),
        ("a", "\udcff", False),
    ],
)
def test_one_link_alone(name: str, target: str, inside: bool) -> None:
    assert is_inside(name, target) is inside
