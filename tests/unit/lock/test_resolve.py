"""uv itself, against an index on loopback."""

from __future__ import annotations

import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.pylock import PackageSdist

from bundler.errors import ResolutionError, UsageError
from bundler.lock.policy import LockPolicy, resolve_lock
from bundler.lock.pylock import Lock, read_lock, write_lock
from bundler.lock.requirements import read_requirements
from bundler.lock.resolve import Problem, resolve, wheel_tags
from bundler.project.tables import find_project
from bundler.session import Session
from bundler.stages.locks import deps_problem
from bundler.stages.make import make_deps, make_locks
from bundler.stages.request import BuildRequest, VenvContents
from bundler.support.cache import Cache
from bundler.support.files import sha256_of
from bundler.support.progress import SILENT, Progress
from bundler.target import Target
from bundler.wheels.obtain import obtain_wheels
from tests.support.serving import Index, make_sdist, make_wheel

TARGET = Target.parse(flink="2.2.1", python="3.11")
FITS = "cp311-cp311-manylinux2014_x86_64"
TOO_NEW = "cp311-cp311-manylinux_2_28_x86_64"


@pytest.fixture(autouse=True)
def only_this_index(clean_environment: pytest.MonkeyPatch, index: Index, tmp_path: Path) -> None:
    clean_environment.setenv("PIP_INDEX_URL", f"{index.url}/simple")
    clean_environment.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))


def solve(folder: Path, *packages: str, **changes: object) -> Lock:
    wanted = Problem(read_requirements([], packages), **changes)  # type: ignore[arg-type]
    return resolve(wanted, TARGET, folder, Session(Cache(folder)))


@pytest.mark.parametrize("as_file", [True, False])
def test_credentials_of_a_direct_url_are_used_but_not_locked(
    index: Index, tmp_path: Path, as_file: bool
) -> None:
    file = make_wheel(index.folder, "leaf")
    index.password = ("me", "s%cret")
    line = f"leaf @ {index.link(file).replace('://', '://me:s%25cret@')}"
    (tmp_path / "requirements.txt").write_text(f"{line}\n")
    files = [tmp_path / "requirements.txt"] if as_file else []
    requirements = read_requirements(files, [] if as_file else [line])
    write_lock(
        resolve(Problem(requirements), TARGET, tmp_path, Session(Cache(tmp_path))),
        tmp_path / "pylock.toml",
    )
    text = (tmp_path / "pylock.toml").read_text()
    assert "cret" not in text
    assert text.count(index.link(file)) == 2
    (wheel,) = obtain_wheels(
        read_lock(tmp_path / "pylock.toml"),
        TARGET,
        Session(Cache(tmp_path / "cache")),
        indexes=requirements.index_urls,
    )
    assert wheel.name == "leaf"


def test_dependencies_come_along_unless_not_wanted(index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "leaf")
    make_wheel(index.folder, "top", requires=["leaf"])
    assert solve(tmp_path, "top").versions == {"leaf": "1.0", "top": "1.0"}
    assert solve(tmp_path, "top", dependencies=False).versions == {"top": "1.0"}


def test_a_wheel_that_fits_is_preferred_to_a_newer_release(index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "native", "1.0", FITS)
    make_wheel(index.folder, "native", "2.0", TOO_NEW)
    make_sdist(index.folder, "native", "2.0")
    assert solve(tmp_path, "native").versions == {"native": "1.0"}


def test_a_pinned_release_is_kept_and_its_wheels_are_known(index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "native", "1.0", FITS)
    make_wheel(index.folder, "native", "2.0", TOO_NEW)
    make_sdist(index.folder, "native", "2.0")
    lock = solve(tmp_path, "native==2.0")
    [(package, picked)] = lock.select(TARGET)
    assert type(picked).__name__ == "PackageSdist"
    assert wheel_tags(package) == ["cp311 manylinux_2_28_x86_64"]


def test_an_index_that_the_requirements_name(
    index: Index, tmp_path: Path, clean_environment: pytest.MonkeyPatch
) -> None:
    make_sdist(index.folder, "pure", "1.0")
    clean_environment.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    index.password = ("joe", "p@ss/w")
    url = index.url.replace("//", "//joe:p%40ss%2Fw@")
    file = tmp_path / "requirements.txt"
    file.write_text(f"--index-url {url}/simple\npure\n")
    wanted = Problem(read_requirements([file]))
    lock = resolve(wanted, TARGET, tmp_path, Session(Cache(tmp_path)))
    assert lock.versions == {"pure": "1.0"}
    write_lock(lock, tmp_path / "pylock.toml")
    assert "p%40ss" not in (tmp_path / "pylock.toml").read_text()
    cache = Cache(tmp_path / "cache")
    indexes = wanted.requirements.index_urls
    assert len(obtain_wheels(lock, TARGET, Session(cache), indexes=indexes)) == 1


def test_constraints_hold(index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    make_wheel(index.folder, "leaf", "2.0")
    assert solve(tmp_path, "leaf", constraints=("leaf==1.0",)).versions == {"leaf": "1.0"}
    with pytest.raises(ResolutionError, match="leaf") as caught:
        solve(tmp_path, "leaf>=2", constraints=("leaf==1.0",))
    assert "venv.zip" in caught.value.remedy


@pytest.mark.parametrize(
    ("packages", "words"),
    [
        (["missing"], ["missing was not found", "Check the name"]),
        (["leaf==9"], ["no version of leaf==9", "Check the name and the version"]),
        (["leaf==1.0", "leaf==2.0"], ["leaf==1.0", "leaf==2.0", "Loosen"]),
        (["tooNew"], ["toonew", "manylinux_2_28_x86_64", "newer platform"]),
    ],
)
def test_what_has_no_solution(
    index: Index, tmp_path: Path, packages: list[str], words: list[str]
) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    make_wheel(index.folder, "leaf", "2.0")
    make_wheel(index.folder, "toonew", "1.0", TOO_NEW)
    with pytest.raises(ResolutionError) as caught:
        solve(tmp_path, *packages)
    for word in words:
        assert word in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 3
    assert str(tmp_path) not in str(caught.value)


def test_hashes_of_the_requirements_are_asked_for(index: Index, tmp_path: Path) -> None:
    wheel = make_wheel(index.folder, "leaf")
    digest = index.page("leaf").decode().partition("sha256=")[2][:64]
    make_sdist(index.folder, "leaf", "1.0")
    file = tmp_path / "requirements.txt"
    file.write_text(f"leaf==1.0 --hash=sha256:{digest}\n")
    lock = resolve(Problem(read_requirements([file])), TARGET, tmp_path, Session(Cache(tmp_path)))
    [package] = lock.pylock.packages
    assert package.sdist is None
    assert [found.filename for found in package.wheels or ()] == [wheel.name]

    file.write_text(f"leaf==1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(ResolutionError, match=r"No file of leaf 1\.0 has a hash") as caught:
        resolve(Problem(read_requirements([file])), TARGET, tmp_path, Session(Cache(tmp_path)))
    assert wheel.name in caught.value.expected


class Notes(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def chosen(
    policy: LockPolicy,
    path: Path,
    wanted: Problem,
    target: Target,
    progress: Progress = SILENT,
    *,
    offline: bool = False,
) -> Lock:
    def solve() -> Lock:
        return resolve(
            wanted, target, path.parent, Session(Cache(path.parent), progress, offline=offline)
        )

    return resolve_lock(path, wanted.inputs(target), solve, policy, progress)


def test_a_lock_is_kept_until_the_requirements_change(index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    path = tmp_path / "pylock.deps.toml"
    wanted = Problem(read_requirements([], ["leaf"]))
    notes = Notes()
    chosen("keep", path, wanted, TARGET, notes)
    assert notes.notes == ["Locked 1 packages in pylock.deps.toml"]
    written = path.read_bytes()

    make_wheel(index.folder, "leaf", "2.0")
    asked = len(index.requests)
    assert chosen("keep", path, wanted, TARGET).versions == {"leaf": "1.0"}
    assert len(index.requests) == asked

    changed = Problem(read_requirements([], ["leaf>=1"]))
    with pytest.raises(ResolutionError, match=r"pylock\.deps\.toml is stale: leaf>=1 is new"):
        chosen("keep", path, changed, TARGET)
    other = Target.parse(flink="2.2.1", python="3.12")
    with pytest.raises(ResolutionError, match=r"python was 3\.11, is 3\.12"):
        chosen("keep", path, wanted, other)
    assert path.read_bytes() == written
    assert chosen("fit", path, changed, TARGET, notes).versions == {"leaf": "2.0"}
    assert path.read_bytes() == written


def test_a_lock_of_another_tool_must_cover_the_requirements(index: Index, tmp_path: Path) -> None:
    for name in ("leaf", "other"):
        make_wheel(index.folder, name, "1.5")
    lock = solve(tmp_path, "leaf", "other")
    path = tmp_path / "pylock.deps.toml"
    write_lock(Lock(replace(lock.pylock, tool=None), tmp_path), path)
    elsewhere = "absent>=3; sys_platform == 'win32'"
    covered = Problem(read_requirements([], ["leaf>=1", elsewhere]), ("other==1.5", "absent==1"))
    assert chosen("keep", path, covered, TARGET, offline=True).versions["leaf"] == "1.5"
    wanted = Problem(read_requirements([], ["leaf>=2", "absent"]), ("other==1.4",))
    with pytest.raises(ResolutionError) as caught:
        chosen("keep", path, wanted, TARGET, offline=True)
    assert "absent is not in it" in caught.value.found
    assert "the lock has leaf 1.5, the requirements want >=2" in caught.value.found
    assert "the lock has other 1.5, the requirements want ==1.4" in caught.value.found


def test_a_lock_survives_writing(index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "leaf")
    lock = solve(tmp_path, "leaf")
    path = tmp_path / "pylock.deps.toml"
    write_lock(lock, path)
    read = read_lock(path)
    assert read.pylock.to_dict() == lock.pylock.to_dict()
    path.write_text("lock-version = '1.0'\n")
    with pytest.raises(Exception, match=r"pylock\.deps\.toml is not a valid lock"):
        read_lock(path)


def test_a_wheel_of_a_local_version_is_named_by_its_address(index: Index, tmp_path: Path) -> None:
    path = make_wheel(index.folder, "local", "1.0+cpu")
    address = index.link(path).replace("+", "%2B")
    lock = solve(tmp_path, f"local @ {address}")
    [wheel] = obtain_wheels(lock, TARGET, Session(Cache(tmp_path / "cache")))
    assert (wheel.name, wheel.version) == ("local", "1.0+cpu")


def test_a_lock_that_is_not_kept_has_no_date(index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "leaf")
    wanted = Problem(read_requirements([], ["leaf"]))
    passing = chosen("fit", tmp_path / "pylock.toml", wanted, TARGET)
    kept = chosen("keep", tmp_path / "pylock.toml", wanted, TARGET)
    assert "created" in kept.table
    assert "created" not in passing.table
    assert passing.differences(wanted.inputs(TARGET)) == []


def test_a_tree_whose_version_only_its_build_tells_is_no_constraint(
    index: Index, tmp_path: Path
) -> None:
    make_wheel(index.folder, "leaf")
    with tarfile.open(make_sdist(tmp_path, "tree", "1.0")) as archive:
        archive.extractall(tmp_path, filter="data")
    pyproject = tmp_path / "tree-1.0" / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('version = "1.0"', 'dynamic = ["version"]'))
    (tmp_path / "requirements.txt").write_text("./tree-1.0\n")
    wanted = Problem(read_requirements([tmp_path / "requirements.txt"]))
    assert resolve(wanted, TARGET, tmp_path, Session(Cache(tmp_path))).unversioned == {"tree"}

    (tmp_path / "bundle.toml").write_text(
        '[target]\nflink = "2.2.1"\npython = "3.11"\n[deps]\npackages = ["leaf"]\n'
    )
    session = Session(Cache(tmp_path / "cache"))
    request = BuildRequest(find_project(tmp_path), session, "keep")
    make_locks(request)
    pins = {"tree": "1.0"}
    make_deps(request, tmp_path / "deps.zip", VenvContents(pins, unversioned=frozenset(pins)))
    with pytest.raises(ResolutionError, match=r"tree==1\.0 is new"):
        make_deps(request, tmp_path / "deps.zip", VenvContents(pins))


@pytest.mark.parametrize(
    ("base", "differences"),
    [("3.11.2", ["python was 3.11.7, is 3.11.2"]), ("3.11.7", []), ("3.11.15", [])],
)
def test_a_lock_holds_for_newer_patch_versions(
    index: Index, tmp_path: Path, base: str, differences: list[str]
) -> None:
    make_wheel(index.folder, "top", requires=["backport; python_full_version < '3.11.3'"])
    make_wheel(index.folder, "backport")
    wanted = Problem(read_requirements([], ["top"]))
    exact = Target.parse(flink="2.2.1", python=base)
    needed = {"backport", "top"} if base == "3.11.2" else {"top"}
    assert set(resolve(wanted, exact, tmp_path, Session(Cache(tmp_path))).versions) == needed
    lock = resolve(
        wanted, Target.parse(flink="2.2.1", python="3.11.7"), tmp_path, Session(Cache(tmp_path))
    )
    assert lock.differences(wanted.inputs(exact)) == differences


def of_file(folder: Path, text: str) -> Lock:
    (folder / "requirements.txt").write_text(text)
    wanted = Problem(read_requirements([folder / "requirements.txt"]))
    return resolve(wanted, TARGET, folder, Session(Cache(folder)))


@pytest.mark.parametrize("line", ["--no-binary leaf", "--no-binary=:all:"])
def test_what_must_be_built_is_locked_as_its_source_and_built(
    index: Index, tmp_path: Path, line: str
) -> None:
    make_wheel(index.folder, "leaf", leaf="built = False\n")
    make_sdist(index.folder, "leaf", "1.0")
    lock = of_file(tmp_path, f"leaf\n{line}\n")
    [(package, picked)] = lock.select(TARGET)
    assert isinstance(picked, PackageSdist)
    assert not package.wheels
    [wheel] = obtain_wheels(lock, TARGET, Session(Cache(tmp_path / "cache")))
    with zipfile.ZipFile(wheel.path) as built:
        assert built.read("leaf.py") == b"built = True\n"


def test_only_wheels(index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    make_sdist(index.folder, "leaf", "2.0")
    assert of_file(tmp_path, "leaf\n").versions == {"leaf": "2.0"}
    lock = of_file(tmp_path, "leaf\n--only-binary :all:\n")
    assert lock.versions == {"leaf": "1.0"}
    with pytest.raises(ResolutionError, match="leaf"):
        of_file(tmp_path, "leaf==2.0\n--only-binary leaf\n")


def test_older_wheels_are_preferred_where_that_is_asked_for(index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    make_sdist(index.folder, "leaf", "2.0")
    make_sdist(index.folder, "source", "1.0")
    lock = of_file(tmp_path, "leaf\nsource\n--prefer-binary\n")
    assert lock.versions == {"leaf": "1.0", "source": "1.0"}


def test_pre_releases(index: Index, tmp_path: Path) -> None:
    make_wheel(index.folder, "leaf", "1.0")
    make_wheel(index.folder, "leaf", "2.0rc1")
    assert of_file(tmp_path, "leaf\n").versions == {"leaf": "1.0"}
    assert of_file(tmp_path, "leaf\n--pre\n").versions == {"leaf": "2.0rc1"}


def test_every_package_needs_a_hash_where_that_is_asked_for(index: Index, tmp_path: Path) -> None:
    leaf = make_wheel(index.folder, "leaf")
    top = make_wheel(index.folder, "top", requires=["leaf"])
    lines = [
        f"{path.name.split('-')[0]}==1.0 --hash=sha256:{sha256_of(path)}" for path in (top, leaf)
    ]
    text = "--require-hashes\n" + "\n".join(lines)
    assert of_file(tmp_path, text).versions == {"leaf": "1.0", "top": "1.0"}
    with pytest.raises(ResolutionError, match="have no hash for leaf"):
        of_file(tmp_path, f"--require-hashes\n{lines[0]}\n")


def test_constraints_of_a_file_bound_without_asking(index: Index, tmp_path: Path) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(index.folder, "leaf", version)
    make_wheel(index.folder, "top", requires=["leaf"])
    (tmp_path / "bounds.txt").write_text("leaf<2\nother==1\n")
    assert of_file(tmp_path, "top\n-c bounds.txt\n").versions == {"leaf": "1.0", "top": "1.0"}


def test_what_the_environment_says_counts(
    index: Index, tmp_path: Path, clean_environment: pytest.MonkeyPatch
) -> None:
    for version in ("1.0", "2.0"):
        make_wheel(index.folder, "leaf", version)
        make_sdist(index.folder, "leaf", version)
    (tmp_path / "bounds.txt").write_text("leaf<2\n")
    clean_environment.setenv("PIP_CONSTRAINT", str(tmp_path / "bounds.txt"))
    clean_environment.setenv("PIP_NO_BINARY", "leaf")
    (tmp_path / "bundle.toml").write_text(
        '[target]\nflink = "2.2.1"\npython = "3.11"\n[deps]\npackages = ["leaf"]\n'
    )
    request = BuildRequest(find_project(tmp_path), Session(Cache(tmp_path / "cache")), "keep")
    problem = deps_problem(request)
    assert problem.inputs(TARGET).options == ("no-binary leaf",)
    [(package, picked)] = resolve(problem, TARGET, tmp_path, request.session).select(TARGET)
    assert isinstance(picked, PackageSdist)
    assert str(package.version) == "1.0"


@pytest.mark.parametrize(
    "pin", ["leaf==1.0\n--index-url http://127.0.0.1:9/", "-e .==1", "leaf==x", "leaf", "==1"]
)
def test_a_pin_is_a_name_and_a_version(index: Index, tmp_path: Path, pin: str) -> None:
    make_wheel(index.folder, "leaf")
    with pytest.raises(UsageError, match="is not a name and a version") as caught:
        solve(tmp_path, "leaf", constraints=(pin,))
    assert len(str(caught.value).splitlines()) == 3
    assert index.requests == []


def test_a_tree_with_an_odd_name(index: Index, tmp_path: Path) -> None:
    with tarfile.open(make_sdist(tmp_path, "tree", "1.0")) as archive:
        archive.extractall(tmp_path, filter="data")
    (tmp_path / "tree-1.0").rename(tmp_path / "my tree;1")
    lock = of_file(tmp_path, "-e 'my tree;1'\n./my tree;1\n")
    assert [package.name for package in lock.pylock.packages] == ["tree"]
    [wheel] = obtain_wheels(lock, TARGET, Session(Cache(tmp_path / "cache")))
    assert wheel.name == "tree"
