from __future__ import annotations

from pathlib import Path

import pytest

from bundler.archive.entry import Entry, OnDisk, text_entry
from bundler.archive.merge import merge
from bundler.archive.wheel import target_layout, wheel_entries
from bundler.errors import BuildError
from tests.support.making_wheels import wheel


def test_the_same_file_of_two_owners_is_one(tmp_path: Path) -> None:
    on_disk = tmp_path / "same.py"
    on_disk.write_text("same")
    path = wheel(tmp_path, {"ns/__init__.py": "same"})
    merged = merge(
        [
            wheel_entries(path, target_layout()),
            [text_entry("ns/__init__.py", "same", executable=True)],
            [Entry("ns/__init__.py", 0o100644, OnDisk(on_disk, 4))],
        ]
    )
    (entry,) = (entry for entry in merged if entry.name == "ns/__init__.py")
    assert entry.mode & 0o777 == 0o755
    assert [entry.name for entry in merged] == sorted(entry.name for entry in merged)


@pytest.mark.parametrize("other", ["SAME", "longer"])
def test_different_bytes_of_two_owners_are_refused(other: str) -> None:
    with pytest.raises(BuildError) as caught:
        merge(
            [
                [text_entry("avro/io.py", "same", owner="avro 1.12")],
                [text_entry("avro/io.py", other, owner="avro-python3 1.9")],
            ]
        )
    assert "avro 1.12 and avro-python3 1.9 both have avro/io.py" in str(caught.value)
