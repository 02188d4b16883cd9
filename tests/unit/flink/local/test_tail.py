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
    assert tail.lines(last=True) == ["three"]
    assert tail.lines(last=True) == []


def test_the_last_part(tmp_path):
    path = tmp_path / "log"
    assert last_part(path) == ""
    path.write_text("abcdef")
    assert last_part(path, 3) == "def"
