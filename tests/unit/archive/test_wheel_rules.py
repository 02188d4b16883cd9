"""Wheels that lie: refused where pip or uv would be led astray, told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from bundler.archive.wheel_rules import check_wheel, wheel_findings
from bundler.errors import BuildError, UsageError
from tests.support.making_wheels import hash_of, wheel

INFO = "demo-1.0.dist-info"
WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n"


def lying(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    return wheel(folder, {"demo.py": "A = 1\n", **files})


def record(*rows: str) -> dict[str, str]:
    """A RECORD of demo.py as it is in `lying`, of the other files there, and of ``rows``."""
    whole = [f"demo.py,{hash_of('A = 1' + chr(10))},6"]
    whole += [f"{INFO}/{name},," for name in ("METADATA", "WHEEL", "RECORD")]
    return {f"{INFO}/RECORD": "".join(f"{row}\n" for row in [*whole, *rows])}


def metadata(name: str = "demo", version: str = "1.0") -> dict[str, str]:
    return {f"{INFO}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}


@pytest.mark.parametrize(
    ("files", "code", "problem"),
    [
        (metadata(name="evil"), "metadata-name", "it is of the package 'evil'"),
        (metadata(version="2.0"), "metadata-version", "it is of version '2.0'"),
        (metadata(version="1.0\nVersion: 2.0"), "metadata-version", "it is of version ''"),
        (metadata(version="new"), "metadata-version", "it is of version 'new'"),
        ({f"{INFO}/METADATA": b"\xff\xfe\0"}, "metadata-name", "it is of the package ''"),
        (record("../outside,,"), "record-path", "it lists '../outside', which is outside"),
        (record("/etc/passwd,,"), "record-path", "it lists '/etc/passwd', which is outside"),
        (record('"a\nb",,'), "record-path", r"it lists 'a\nb', which is outside"),
        (record("demo.py,sha256=x,6"), "record-twice", "it has two rows for demo.py"),
        (
            {f"{INFO}/RECORD": f"demo.py,{hash_of('other')},6\n"},
            "record-hash",
            "its bytes do not have the hash",
        ),
    ],
)
def test_a_lie_that_leads_installers_astray_is_an_error(
    tmp_path: Path, files: dict[str, str | bytes], code: str, problem: str
) -> None:
    path = lying(tmp_path, files)
    errors = [finding for finding in wheel_findings(path) if finding.severity == "error"]
    assert errors[0].code == code
    assert errors[0].problem.startswith(problem)
    with pytest.raises(BuildError) as caught:
        check_wheel(path)
    assert caught.value.found.startswith(f"{path.name} cannot be used: ")
    assert problem in caught.value.found
    assert caught.value.found.isprintable()


@pytest.mark.parametrize(
    ("files", "code", "text"),
    [
        (
            {f"{INFO}/WHEEL": f"{WHEEL}Tag: cp311-cp311-linux_x86_64\n"},
            "tags",
            f"{INFO}/WHEEL: its tags are",
        ),
        (record("gone.py,,", "more.py,,"), "record-missing", "gone.py: RECORD lists it, and it is"),
        (record("gone.py,,", "gone.py,,"), "record-double", "gone.py: RECORD lists it twice"),
        ({"more.py": "", **record()}, "record-unlisted", "more.py: RECORD does not list it"),
        ({"x": "x", **record("x,,7")}, "record-size", "x: RECORD has another size for it"),
    ],
)
def test_another_lie_is_a_warning(
    tmp_path: Path, files: dict[str, str | bytes], code: str, text: str
) -> None:
    warnings = check_wheel(lying(tmp_path, files))
    assert code in {finding.code for finding in warnings}
    assert any(str(finding).startswith(text) for finding in warnings)


def test_one_warning_names_one_of_many_files(tmp_path: Path) -> None:
    rows = [f"gone{number}.py,," for number in range(2000)]
    files = {f"pad{number}": "" for number in range(1000)}
    (finding,) = (
        finding
        for finding in check_wheel(lying(tmp_path, {**files, **record(*rows)}))
        if finding.code == "record-missing"
    )
    assert str(finding).endswith("it is not there (and 1,999 more files)")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("evil-1.0-py3-none-any.whl", "demo-1.0.dist-info: its name is not that of the file"),
        ("demo-1.1-py3-none-any.whl", "demo-1.0.dist-info: its name is not that of the file"),
        ("demo-1.0.whl", "its file name is not one of a wheel"),
        ("demo-new-py3-none-any.whl", "its file name is not one of a wheel"),
        ("demo\n-1.0-py3-none-any.whl", "its file name is not one of a wheel"),
    ],
)
def test_the_file_name_is_what_all_else_is_compared_with(
    tmp_path: Path, name: str, problem: str
) -> None:
    with pytest.raises(BuildError, match=problem) as caught:
        check_wheel(lying(tmp_path, {}), name)
    assert caught.value.found.isprintable()


@pytest.mark.parametrize(
    ("name", "version", "stated"),
    [("Demo_Pkg", "1.0", ("demo-pkg", "1")), ("demo", "1.0+local.1", ("DEMO", "1.0+local-1"))],
)
def test_the_same_name_and_version_may_be_spelled_otherwise(
    tmp_path: Path, name: str, version: str, stated: tuple[str, str]
) -> None:
    info = f"{name}-{version}.dist-info"
    text = f"Metadata-Version: 2.1\nName: {stated[0]}\nVersion: {stated[1]}\n"
    path = wheel(tmp_path, {"demo.py": "", f"{info}/METADATA": text}, name, version)
    assert check_wheel(path) == []


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({f"{INFO}/RECORD": b"\xff,,\n"}, "RECORD: it cannot be read: it is not UTF-8"),
        ({f"{INFO}/RECORD": "a\0b,,\n"}, "RECORD: it"),
        ({f"{INFO}/RECORD": '"a,,\n'}, "RECORD: it cannot be read"),
        ({f"{INFO}/RECORD": f"{'a' * 200_000},,\n"}, "RECORD: it cannot be read: field larger"),
        ({f"{INFO}/RECORD": ",,\n" * 2000}, "RECORD: it cannot be read: it has more than"),
        ({f"{INFO}/RECORD": "demo.py,sha256\n"}, "a line has 2 fields instead of 3"),
        ({f"{INFO}/RECORD": "demo.py,sha256é=a,6\n"}, "which is not allowed"),
        ({f"{INFO}/WHEEL": b"\xff"}, "WHEEL: it is not UTF-8"),
        ({f"{INFO}/WHEEL": "Wheel-Version: " + "1" * 5000}, "its Wheel-Version is not 1.x"),
    ],
)
def test_damaged_files_about_the_wheel_are_refused(
    tmp_path: Path, files: dict[str, str | bytes], problem: str
) -> None:
    with pytest.raises(BuildError) as caught:
        check_wheel(lying(tmp_path, files))
    assert problem in caught.value.found


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    for path in (Path("/dev/zero"), tmp_path, tmp_path / "none-1.0-py3-none-any.whl"):
        with pytest.raises(UsageError, match="Expected a zip archive"):
            check_wheel(path, "demo-1.0-py3-none-any.whl")
