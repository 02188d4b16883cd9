from __future__ import annotations

from pathlib import Path

import pytest

from bundler.errors import UsageError
from bundler.lock.requirements import read_requirements

DIGEST = "a" * 64


def test_nested_files_comments_and_continuations(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.txt").write_text("six\n-c pins.txt\n")
    (tmp_path / "sub" / "pins.txt").write_text("numpy<2\n")
    top = tmp_path / "requirements.txt"
    top.write_text(
        "# comment\n\npandas[parquet]>=2 ; python_version > '3'  # why\n"
        f"Typing_Extensions==4.1 \\\n    --hash=sha256:{DIGEST}\n-r sub/more.txt\n"
        "git+file:///repo@main#egg=thing\n"
    )
    read = read_requirements([top], ["humanize"])
    assert read.lines == (
        f"Typing_Extensions==4.1 --hash=sha256:{DIGEST}",
        "constraint numpy<2",
        "git+file:///repo@main#egg=thing",
        "humanize",
        "pandas[parquet]>=2 ; python_version > '3'",
        "six",
    )
    assert read.hashes == {"typing-extensions": frozenset({DIGEST})}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "holds no requirement"),
        (b"# only a comment\n\n", "holds no requirement"),
        (b"--only-binary :all:\n", "holds no requirement"),
        ("pandas  # für alle\n".encode("latin-1"), "is not UTF-8: byte 0xfc at offset 11"),
        (b"-r missing.txt\n", r"missing\.txt, which .*requirements\.txt names, does not exist"),
        (b"-r requirements.txt\n", "includes"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "requirements.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        read_requirements([path])


def test_indexes_are_kept_and_their_credentials_are_not_part_of_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub" / "wheels").mkdir(parents=True)
    (tmp_path / "sub" / "more.txt").write_text("--find-links wheels\nsix\n")
    top = tmp_path / "requirements.txt"
    top.write_text("--extra-index-url=https://me:${TOKEN}@h.example/simple\n-r sub/more.txt\n")
    monkeypatch.setenv("TOKEN", "s3cret")
    read = read_requirements([top])
    assert read.lines == (
        "--extra-index-url=https://h.example/simple",
        "--find-links wheels",
        "six",
    )
    assert read.indexes == (
        "--extra-index-url=https://me:${TOKEN}@h.example/simple",
        f"--find-links {tmp_path / 'sub' / 'wheels'}",
    )
    assert read.index_urls == ("https://me:s3cret@h.example/simple",)
    assert not read.replaces_index


def test_a_folder_is_no_requirements_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_requirements([tmp_path])


def test_a_bom_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_bytes("pandas\n".encode("utf-8-sig"))
    assert read_requirements([path]).lines == ("pandas",)


def test_a_package_must_be_a_requirement() -> None:
    with pytest.raises(UsageError, match="'pandas=2' is not a requirement"):
        read_requirements([], ["pandas=2"])
