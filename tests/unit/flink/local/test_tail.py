from __future__ import annotations

from bundler.flink.local.tail import Tail, last_part


def test_each_line_is_handed_out_once_and_only_when_whole(tmp_path):
    path = tmp_path / "out"
    tail = Tail(path)
    assert tail.lines() == []

    path.write_bytes(b"one\ntw")
    assert tail.lines() == ["one"]

    with path.open("ab") as file:
        file.write("o é\nthree".encode())
    assert tail.lines() == ["two é"]
    assert tail.lines() == []
    assert list(tail.rest()) == ["three"]
    assert list(tail.rest()) == []


def test_much_output_comes_in_bounded_parts(tmp_path):
    path = tmp_path / "out"
    path.write_bytes(b"x" * 63 + b"\n" + b"y" * (9 << 20) + b"\nlast")
    tail = Tail(path)

    first = tail.lines()
    rest = list(tail.rest())

    assert first[0] == "x" * 63
    assert sum(map(len, first)) <= 4 << 20
    assert all(len(line) <= 5 << 20 for line in rest)
    assert "".join([*first[1:], *rest]) == "y" * (9 << 20) + "last"


def test_the_last_part(tmp_path):
    path = tmp_path / "log"
    assert last_part(path) == ""
    path.write_text("abcdef")
    assert last_part(path, 3) == "def"
