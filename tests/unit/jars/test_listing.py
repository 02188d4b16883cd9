from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from bundler.errors import UsageError
from bundler.jars.listing import jar_list
from bundler.support.progress import Progress


class Warnings(Progress):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def warn(self, text: str) -> None:
        self.texts.append(text)


def make_jar(path: Path, *names: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as jar:
        for name in names:
            jar.writestr(name, b"\xca\xfe\xba\xbe")
    return path


def test_order_hash_and_size_are_kept(tmp_path):
    second = make_jar(tmp_path / "b.jar", "b/B.class")
    first = make_jar(tmp_path / "a.jar", "META-INF/services/a.b.Factory")

    jars = jar_list([second, first])

    assert [jar.name for jar in jars] == ["b.jar", "a.jar"]
    assert jars[0].sha256 == hashlib.sha256(second.read_bytes()).hexdigest()
    assert jars[0].size == second.stat().st_size
    assert jars[0].path.is_absolute()


@pytest.mark.parametrize(
    ("name", "members", "said"),
    [
        ("x-1.0-py3-none-any.whl", ["x.py", "x-1.0.dist-info/WHEEL"], "wheel"),
        ("renamed.jar", ["x.py", "x-1.0.dist-info/WHEEL"], "wheel"),
        ("x.zip", ["a/A.class"], "suffix"),
        ("x.jar", ["readme.txt"], "neither classes nor META-INF"),
    ],
)
def test_what_is_no_jar_is_refused(tmp_path, name, members, said):
    file = make_jar(tmp_path / name, *members)

    with pytest.raises(UsageError, match=said) as raised:
        jar_list([file])

    assert name in raised.value.found


def test_a_truncated_jar_is_refused(tmp_path):
    jar = make_jar(tmp_path / "a.jar", "a/A.class")
    jar.write_bytes(jar.read_bytes()[:-30])

    with pytest.raises(UsageError, match=r"a\.jar is not a zip file"):
        jar_list([jar])


def test_a_missing_jar_and_a_folder(tmp_path):
    with pytest.raises(UsageError, match=r"gone\.jar does not exist"):
        jar_list([tmp_path / "gone.jar"])
    with pytest.raises(UsageError, match="is a folder"):
        jar_list([tmp_path])


def test_two_of_one_name_are_refused(tmp_path):
    files = [make_jar(tmp_path / folder / "a.jar", "a/A.class") for folder in ("x", "y")]

    with pytest.raises(UsageError, match=r"Two JARs are named a\.jar"):
        jar_list(files)


def test_one_class_in_two_jars_is_warned_of(tmp_path):
    warnings = Warnings()
    one = make_jar(tmp_path / "one.jar", "a/A.class", "a/B.class", "module-info.class")
    two = make_jar(tmp_path / "two.jar", "a/A.class", "a/B.class", "module-info.class")

    jar_list([one, two], warnings)

    assert warnings.texts == ["two.jar and one.jar both hold a/A.class and 1 more classes."]
