from __future__ import annotations

import hashlib
import platform
import sys
import tempfile
import zipfile
from pathlib import Path

import pytest

from bundler.errors import BuildError, UsageError
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.target import Target
from bundler.wheels.on_host import TargetNeededError, build_locally
from bundler.wheels.sources import Source
from bundler.wheels.trees import tree_digest
from tests.support.serving import make_sdist

MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"
OLD = Target("2.2.1", MINOR, f"manylinux2014_{platform.machine()}")
LIKE_THIS_MACHINE = Target("2.2.1", MINOR, f"manylinux_2_99_{platform.machine()}")
LINUX = f"cp{MINOR.replace('.', '')}-cp{MINOR.replace('.', '')}-linux_{platform.machine()}"

pytestmark = pytest.mark.usefixtures("clean_environment")


def source(path: Path) -> Source:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Source("leaf", "1.0", path, digest, published=("cp311 manylinux_2_28_x86_64",))


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_a_pure_sdist_becomes_a_wheel_once(tmp_path: Path, cache: Cache) -> None:
    sdist = source(make_sdist(tmp_path, "leaf", "1.0"))
    wheel = build_locally(sdist, OLD, Session(cache, offline=False))
    assert wheel.name == "leaf-1.0-py3-none-any.whl"
    sdist.path.unlink()
    assert build_locally(sdist, OLD, Session(cache, offline=False)) == wheel


@pytest.mark.parametrize("compiled", [True, False])
def test_what_needs_a_compiler_is_for_the_target(
    tmp_path: Path, cache: Cache, compiled: bool
) -> None:
    sdist = source(make_sdist(tmp_path, "leaf", "1.0", tag=LINUX, compiled=compiled))
    with pytest.raises(TargetNeededError, match=r"leaf 1\.0 has no wheel for") as caught:
        build_locally(sdist, OLD, Session(cache, offline=False))
    assert "cp311 manylinux_2_28_x86_64" in caught.value.expected
    assert "--builder container" in caught.value.remedy
    assert not list(cache.root.rglob("*.whl"))
    wheel = build_locally(sdist, LIKE_THIS_MACHINE, Session(cache, offline=False))
    assert wheel.name == f"leaf-1.0-{LINUX}.whl"


def make_tree(tree: Path, backend: str = "backend", name: str = "leaf") -> Path:
    module = tree / f"{backend.replace('.', '/')}.py"
    module.parent.mkdir(parents=True)
    (tree / "leaf.py").write_text("")
    (tree / "pyproject.toml").write_text(
        f'[build-system]\nrequires = []\nbuild-backend = "{backend}"\nbackend-path = ["."]\n'
    )
    module.write_text(
        "import pathlib, zipfile\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        "    pathlib.Path('left.txt').write_text('x')\n"
        f"    name = '{name}-1.0-py3-none-any.whl'\n"
        f"    info = '{name}-1.0.dist-info/'\n"
        "    with zipfile.ZipFile(pathlib.Path(folder) / name, 'w') as wheel:\n"
        "        wheel.write('leaf.py')\n"
        f"        wheel.writestr(info + 'METADATA', 'Metadata-Version: 2.1\\nName: {name}\\n'\n"
        "                       'Version: 1.0\\n')\n"
        "        wheel.writestr(info + 'WHEEL', 'Wheel-Version: 1.0\\nTag: py3-none-any\\n')\n"
        "        wheel.writestr(info + 'RECORD', 'leaf.py,,\\n')\n"
        "    return name\n"
    )
    return tree


def test_building_a_tree_leaves_nothing_in_it(tmp_path: Path, cache: Cache) -> None:
    tree = make_tree(tmp_path / "tree")
    before = sorted(tree.iterdir())
    wheel = build_locally(
        Source("leaf", None, tree, tree_digest(tree)), OLD, Session(cache, offline=False)
    )
    assert wheel.is_file()
    assert sorted(tree.iterdir()) == before


def test_nothing_is_left_in_the_temporary_folder(
    tmp_path: Path, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = make_tree(tmp_path / "tree", "setuptools.build_meta")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr(tempfile, "tempdir", None)
    build_locally(Source("leaf", None, tree, tree_digest(tree)), OLD, Session(cache, offline=False))
    assert not list(temporary.iterdir())


def test_a_wheel_of_another_project_is_refused(tmp_path: Path, cache: Cache) -> None:
    tree = make_tree(tmp_path / "tree", name="other")
    with pytest.raises(BuildError, match=r"The build of leaf left other-1\.0-py3-none-any\.whl"):
        build_locally(Source("leaf", None, tree, tree_digest(tree)), OLD, Session(cache))


@pytest.mark.parametrize("thing", ["folder", "link", "dangling"])
def test_what_is_in_the_place_of_a_kept_wheel_is_replaced(
    tmp_path: Path, cache: Cache, thing: str
) -> None:
    sdist = source(make_sdist(tmp_path, "leaf", "1.0"))
    wheel = build_locally(sdist, OLD, Session(cache))
    whole = wheel.read_bytes()
    moved = wheel.rename(tmp_path / "moved")
    if thing == "folder":
        wheel.mkdir()
        (wheel / "file").touch()
    else:
        wheel.symlink_to(moved if thing == "link" else tmp_path / "nowhere")
    assert build_locally(sdist, OLD, Session(cache)) == wheel
    assert wheel.is_file()
    assert not wheel.is_symlink()
    with zipfile.ZipFile(wheel) as rebuilt, zipfile.ZipFile(moved) as first:
        assert rebuilt.namelist() == first.namelist()
    assert moved.read_bytes() == whole


def test_a_failing_build_says_why(tmp_path: Path, cache: Cache) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    (tree / "backend.py").write_text("raise ValueError('no such thing')\n")
    broken = Source("leaf", None, tree, tree_digest(tree))
    with pytest.raises(BuildError, match="no such thing"):
        build_locally(broken, LIKE_THIS_MACHINE, Session(cache, offline=False))


def test_a_tree_is_known_by_its_files(tmp_path: Path) -> None:
    (tmp_path / "setup.py").write_text("a")
    before = tree_digest(tmp_path)
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "left.o").write_text("x")
    assert tree_digest(tmp_path) == before
    (tmp_path / "setup.py").write_text("b")
    assert tree_digest(tmp_path) != before
    with pytest.raises(UsageError, match="is not a Python project"):
        tree_digest(tmp_path / "build")
