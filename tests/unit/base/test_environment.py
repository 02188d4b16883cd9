from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest.importorskip("yaml", reason="the conda extra is not installed")

from bundler.base.environment import CondaEnvironment, read_environment
from bundler.errors import UsageError

GOOD = """
name: job
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python=3.11
  - numpy >=1.26,<3
  - pip
  - pip:
      - docopt==0.6.2
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "environment.yml"
    path.write_text(text)
    return path


def test_channels_specs_and_pip_requirements(tmp_path: Path) -> None:
    assert read_environment(written(tmp_path, GOOD)) == CondaEnvironment(
        ("conda-forge",), ("python=3.11", "numpy >=1.26,<3", "pip"), ("docopt==0.6.2",)
    )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "the file"),
        ("- numpy\n", "the file"),
        ("name: x\n", "dependencies: Field required"),
        ("dependencies: numpy\n", "dependencies: Input should be a valid list"),
        ("dependencies: [numpy, 3]\n", "dependencies.1"),
        ("dependencies: [{npm: [x]}]\n", "dependencies.0"),
        ("dependencies: [{pip: x}]\n", "dependencies.0.pip"),
        ("dependencies: []\nchanels: [x]\n", "chanels: Extra inputs are not permitted"),
        ("dependencies: []\nchannels: {a: b}\n", "channels"),
        ("name: x\ndependencies: [\n", "line 3"),
        ("a: b\n\tc: d\n", "line 2"),
        ("dependencies: [{pip: [-r more.txt]}]\n", "'-r more.txt' is an option of pip"),
        ('dependencies: [{pip: ["a\\n--index-url http://x"]}]\n', "is not one line of text"),
        ('dependencies: ["a\\0b"]\n', "is not one line of text"),
        ("dependencies: []\nchannels: ['']\n", "is not one line of text"),
        ("dependencies: &a [x]\nchannels: *a\n", "line 2: a value is an alias"),
        ("dependencies: &a\n - *a\n", "line 2: a value is an alias"),
        (f"dependencies: {'[' * 50_000}\n", "nest"),
        (f"dependencies: [x]\nname: {'{a: ' * 9000}\n", "line 2: a value is nested"),
        ("dependencies: [2024-99-99]\n", "is not YAML"),
        (f"dependencies: [{'9' * 5000}]\n", "is not YAML"),
        ("dependencies: [!!python/object/apply:os.system [x]]\n", "line 1"),
        ("{[a]: b}\n", "line 1"),
        (f"dependencies: [{'x,' * 300_000}]\n", "is larger than 524,288 bytes"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, found: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_environment(written(tmp_path, text))
    assert "environment.yml" in caught.value.found
    assert found in caught.value.found
    assert str(caught.value).count("\n") == 2


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "environment.yml")
    for path in (tmp_path / "environment.yml", Path("/dev/zero"), tmp_path):
        with pytest.raises(UsageError, match="is a") as caught:
            read_environment(path)
        assert "conda environment file" in caught.value.expected


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no\.yml does not exist"):
        read_environment(tmp_path / "no.yml")


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    (tmp_path / "environment.yml").write_bytes("name: gr\xfc\xdfe".encode("latin-1"))
    with pytest.raises(UsageError, match="is not YAML"):
        read_environment(tmp_path / "environment.yml")
