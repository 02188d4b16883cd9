from __future__ import annotations

import codecs
import os
from pathlib import Path

import pytest

from bundler.errors import UsageError
from bundler.lock.line_options import LINE_OPTIONS
from bundler.lock.requirements import Requirements, combined, read_requirements

DIGEST = "a" * 64


def read(folder: Path, text: str) -> Requirements:
    path = folder / "requirements.txt"
    path.write_text(text, encoding="utf-8")
    return read_requirements([path])


def test_nested_files_comments_and_continuations(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "more.txt").write_text("six\n-c pins.txt\n")
    (tmp_path / "sub" / "pins.txt").write_text("numpy<2\n")
    found = read(
        tmp_path,
        "# comment\n\npandas[parquet]>=2 ; python_version > '3'  # why\n"
        f"Typing_Extensions==4.1 \\\n    --hash=sha256:{DIGEST}\n-r sub/more.txt\n"
        "git+file:///repo@main#egg=thing\n",
    )
    both = combined(read_requirements(packages=["humanize"]), found)
    assert both.lines == (
        f"Typing_Extensions==4.1 --hash=sha256:{DIGEST}",
        "constraint numpy<2",
        "git+file:///repo@main#egg=thing",
        "humanize",
        "pandas[parquet]>=2 ; python_version > '3'",
        "six",
    )
    assert both.hashes == {"typing-extensions": frozenset({DIGEST})}
    assert both.wanted_lines(tmp_path) == (
        "humanize",
        'pandas[parquet]>=2; python_version > "3"',
        "Typing_Extensions==4.1",
        "six",
        "git+file:///repo@main#egg=thing",
    )
    assert both.constraint_lines(tmp_path) == ("numpy<2",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "does not exist"),
        (b"", "has no requirements"),
        (b"# only a comment\n\n", "has no requirements"),
        (b"--only-binary :all:\n", "has no requirements"),
        ("pandas  # für alle\n".encode("latin-1"), "is not UTF-8: byte 0xfc at offset 11"),
        (b"# coding: klingon\nsix\n", "its encoding is 'klingon', which is unknown"),
        (b"-r missing.txt\n", r"missing\.txt does not exist\. .*requirements\.txt includes it"),
        (b"-r requirements.txt\n", "line 1: includes requirements.txt, which includes"),
        (b"-r https://h.example/r.txt\n", "line 1: includes a URL"),
        (b"six\nsi\0x\n", r"line 2: holds the control character '\\x00'"),
        (b"six\x1b[2J\n", r"line 1: holds the control character '\\x1b'"),
        (b"six\npandas=2\n", "line 2: 'pandas=2' is not a requirement"),
        (b"six --bogus\n", "line 1: '--bogus' is not an option"),
        (b"--index-url\nsix\n", "line 1: --index-url lacks its value"),
        (b"--pre=yes\nsix\n", "line 1: --pre takes no value"),
        (b"six --hash=md5:00\n", "line 1: 'md5:00' is not a SHA-256"),
        (b"--hash=sha256:" + b"0" * 64 + b"\nsix\n", "--hash without a requirement"),
        (b"./six.whl --hash=sha256:" + b"0" * 64 + b"\n", "a hash of something without a name"),
        (b"six --pre\n", "line 1: --pre after a requirement"),
        (b"-r other.txt --pre\n", "line 1: --requirement beside another option"),
        (b"--no-binary ../x\nsix\n", r"'\.\./x' is not the name of a package"),
        (b"hg+https://h.example/x\n", "its scheme is 'hg\\+https'"),
        (b"x @ git+ssh://-oProxyCommand=id/x\n", "starts with a dash"),
        (b"x @ https://h.example:port/x.whl\n", "is not a URL for a requirement"),
        (b"--index-url ftp://h.example/\nsix\n", "its scheme is 'ftp'"),
        (b"--index-url https://h.example/${ABSENT_VARIABLE}\nsix\n", "ABSENT_VARIABLE is not set"),
        (b"six 'unclosed --hash='\n", "No closing quotation"),
        (b"--find-links 'unclosed\nsix\n", "No closing quotation"),
    ],
)
def test_bad_files(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "requirements.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        read_requirements([path])
    assert all((caught.value.found, caught.value.expected, caught.value.remedy))


@pytest.mark.parametrize(
    ("name", "content", "remedy"),
    [
        ("Pipfile", '[[source]]\nurl = "https://h.example"\n', "pipenv requirements"),
        ("environment.yml", "name: x\ndependencies:\n  - numpy\n", "--environment"),
        ("pyproject.toml", '[project]\nname = "x"\n', "uv export"),
        ("poetry.lock", '[[package]]\nname = "x"\n', "poetry export"),
        ("setup.py", "import setuptools\n", "the project's folder"),
    ],
)
def test_a_file_of_another_format_says_what_to_do_with_it(
    tmp_path: Path, name: str, content: str, remedy: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError) as caught:
        read_requirements([tmp_path / name])
    assert remedy in caught.value.remedy


def test_what_is_not_a_file_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(UsageError, match="is a"):
            read_requirements([path])
    with pytest.raises(UsageError, match=r"fifo is a named pipe\. .* includes it"):
        read(tmp_path, "-r fifo\n")


@pytest.mark.parametrize(
    ("bom", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"", "utf-8"),
    ],
)
def test_encodings_are_told_as_pip_tells_them(tmp_path: Path, bom: bytes, encoding: str) -> None:
    path = tmp_path / "requirements.txt"
    path.write_bytes(bom + "pandas  # für alle\r\nsix\r\n".encode(encoding))
    assert read_requirements([path]).lines == ("pandas", "six")


def test_a_declared_encoding(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_bytes("# -*- coding: latin-1 -*-\npandas  # für alle\n".encode("latin-1"))
    assert read_requirements([path]).lines == ("pandas",)


def test_files_that_include_each_other_often_are_read_once(tmp_path: Path) -> None:
    for depth in range(40):
        inner = f"-r r{depth + 1}.txt\n" * 2 if depth < 39 else "six\n"
        (tmp_path / f"r{depth}.txt").write_text(inner)
    assert read_requirements([tmp_path / "r0.txt"]).lines == ("six",)


def test_a_chain_without_end_is_an_error(tmp_path: Path) -> None:
    for depth in range(1000):
        (tmp_path / f"r{depth}.txt").write_text(f"-r r{depth + 1}.txt\nsix\n")
    with pytest.raises(UsageError, match=r"r0\.txt includes more than"):
        read_requirements([tmp_path / "r0.txt"])


def test_indexes_are_kept_and_their_credentials_are_not_part_of_the_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub" / "my wheels").mkdir(parents=True)
    (tmp_path / "sub" / "more.txt").write_text("--find-links 'my wheels'\n--no-index\nsix\n")
    monkeypatch.setenv("TOKEN", "s3cret")
    found = read(
        tmp_path, "--extra-index-url=https://me:${TOKEN}@h.example/simple\n-r sub/more.txt\n"
    )
    assert found.lines == (
        "--extra-index-url=https://h.example/simple",
        "--find-links 'my wheels'",
        "--no-index",
        "six",
    )
    assert found.index_lines() == (
        "--extra-index-url https://me:s3cret@h.example/simple",
        f"--find-links {(tmp_path / 'sub').as_uri()}/my%20wheels",
        "--no-index",
    )
    assert found.index_urls == ("https://me:s3cret@h.example/simple",)
    assert not found.replaces_index


def test_the_last_index_counts(tmp_path: Path) -> None:
    found = read(tmp_path, "-i https://a.example/simple\n--index-url=https://b.example\nsix\n")
    assert found.index_lines() == ("--index-url https://b.example",)
    assert found.replaces_index


@pytest.mark.parametrize(
    ("line", "written"),
    [
        ("./tree", "./tree"),
        ("tree/", "./tree"),
        ("-e tree", "-e ./tree"),
        ("-e .[dev,Doc]", "-e ./.[dev,doc]"),
        ("./my tree[dev] ; python_version > '3'", './my tree[dev] ; python_version > "3"'),
        ("./odd;name", "FOLDER/odd%3Bname"),
        ("/absolute/tree", "file:///absolute/tree"),
        ("name @ ./tree", "name @ ./tree"),
        ("name[b,a] @ file:///x/y.whl", "name[a,b] @ file:///x/y.whl"),
        ("https://h.example/x-1.0.tar.gz#sha256=00", "https://h.example/x-1.0.tar.gz#sha256=00"),
        ("-e git+ssh://git@h.example/x.git@v1#egg=x", "-e git+ssh://git@h.example/x.git@v1#egg=x"),
        ("demo-1.0-py3-none-any.whl", "./demo-1.0-py3-none-any.whl"),
    ],
)
def test_places(tmp_path: Path, line: str, written: str) -> None:
    [found] = read(tmp_path, f"{line}\n").wanted_lines(tmp_path)
    assert found == written.replace("FOLDER", tmp_path.as_uri())


@pytest.mark.parametrize(
    ("lines", "words", "built", "not_built"),
    [
        (["--no-binary lz4,Six_X"], ["no-binary lz4", "no-binary six-x"], "lz4 six-x", ""),
        (["--no-binary :all:", "--only-binary numpy"], None, "lz4", "numpy"),
        (["--only-binary :all:", "--no-binary lz4"], None, "lz4", "numpy"),
        (["--only-binary :all:", "--no-binary :all:"], ["no-binary :all:"], "lz4", ""),
        (["--no-binary lz4", "--only-binary lz4"], ["only-binary lz4"], "", "lz4"),
        (["--no-binary lz4", "--no-binary :none:"], [], "", ""),
    ],
)
def test_wheels_or_sources(
    tmp_path: Path, lines: list[str], words: list[str] | None, built: str, not_built: str
) -> None:
    found = read(tmp_path, "\n".join([*lines, "six"]))
    if words is not None:
        assert list(found.options) == words
    for name in built.split():
        assert found.formats.must_build(name)
    for name in not_built.split():
        assert found.formats.must_not_build(name)
        assert not found.formats.must_build(name)


def test_switches(tmp_path: Path) -> None:
    found = read(tmp_path, "--pre\n--prefer-binary\n--require-hashes\nsix\n")
    assert found.options == ("pre", "prefer-binary", "require-hashes")


@pytest.mark.parametrize("option", LINE_OPTIONS, ids=lambda option: option.name)
def test_each_option_is_honoured_or_refused_by_name(tmp_path: Path, option: object) -> None:
    from bundler.lock.line_options import LineOption

    assert isinstance(option, LineOption)
    values = {
        "--requirement": "other.txt",
        "--constraint": "other.txt",
        "--editable": ".",
        "--index-url": "https://h.example",
        "--extra-index-url": "https://h.example",
        "--find-links": "https://h.example",
        "--hash": f"sha256:{DIGEST}",
    }
    (tmp_path / "other.txt").write_text("six\n")
    for flag in option.flags:
        value = f" {values.get(option.name, 'x')}" if option.value else ""
        line = f"six=={1}{' ' if option.name == '--hash' else chr(10)}{flag}{value}\n"
        if option.refused:
            with pytest.raises(UsageError, match=f"{option.name} is not supported here"):
                read(tmp_path, line)
        else:
            plain = read(tmp_path, "six==1\n")
            assert read(tmp_path, line) != plain


def test_a_package_must_be_a_requirement() -> None:
    for text in ("pandas=2", "six\n--index-url http://127.0.0.1:9/", "-r x", ""):
        with pytest.raises(UsageError, match="is not a requirement"):
            read_requirements([], [text])


def test_a_number_that_python_does_not_read_is_not_a_version() -> None:
    with pytest.raises(UsageError, match="more than 1,000 digits"):
        read_requirements(packages=[f"demo=={'6' * 5000}"])


def test_an_index_that_no_file_can_be_called(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text(f"--index-url https:{'6' * 5_000}\ndemo\n")
    assert read_requirements([file]).index_urls == ()
