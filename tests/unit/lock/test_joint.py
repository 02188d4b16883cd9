"""venv.zip and deps.zip as one resolution, against an index on loopback."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundler.errors import ResolutionError
from bundler.lock.joint import differing, solve_beside, solve_pair
from bundler.lock.pylock import Lock
from bundler.lock.requirements import read_requirements
from bundler.lock.resolve import Problem, resolve
from bundler.session import Session
from bundler.support.cache import Cache
from bundler.target import Target
from tests.support.serving import Index, make_wheel

TARGET = Target.parse(flink="2.2.1", python="3.11")


@pytest.fixture(autouse=True)
def only_this_index(clean_environment: pytest.MonkeyPatch, index: Index, tmp_path: Path) -> None:
    clean_environment.setenv("PIP_INDEX_URL", f"{index.url}/simple")
    clean_environment.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))


@pytest.fixture
def published(index: Index) -> Index:
    """PyFlink takes any net; only an old cloud knows no bound, the new one wants net below 2."""
    make_wheel(index.folder, "apache_flink", "2.2.1", requires=["net", "beam"])
    make_wheel(index.folder, "beam", requires=["pure"])
    make_wheel(index.folder, "pure")
    for version in ("1.26", "2.0"):
        make_wheel(index.folder, "net", version)
    make_wheel(index.folder, "cloud", "1.7", requires=["net"])
    make_wheel(index.folder, "cloud", "1.33", requires=["net<2", "path"])
    make_wheel(index.folder, "path")
    return index


def problem(*packages: str, **changes: object) -> Problem:
    return Problem(read_requirements(packages=packages), **changes)  # type: ignore[arg-type]


def solver(folder: Path):  # type: ignore[no-untyped-def]
    def solve(each: Problem) -> Lock:
        return resolve(each, TARGET, folder, Session(Cache(folder)))

    return solve


def test_both_are_solved_together_and_divided(published: Index, tmp_path: Path) -> None:
    venv = problem("apache-flink==2.2.1", beside=("cloud",))
    deps = problem("cloud")
    pair = solve_pair(venv, deps, TARGET, solver(tmp_path))
    assert pair.venv.versions == {
        "apache-flink": "2.2.1",
        "beam": "1.0",
        "net": "1.26",
        "pure": "1.0",
    }
    assert pair.deps.versions == {"cloud": "1.33", "path": "1.0"}
    assert pair.venv.differences(venv.inputs(TARGET)) == []
    assert pair.venv.differences(problem("apache-flink==2.2.1").inputs(TARGET)) == [
        "cloud of the other archive is gone"
    ]
    pins = tuple(f"{name}=={version}" for name, version in pair.venv.versions.items())
    assert pair.deps.differences(problem("cloud", constraints=pins).inputs(TARGET)) == []


def test_a_frozen_list_older_than_what_pyflink_would_take(published: Index, tmp_path: Path) -> None:
    pair = solve_pair(
        problem("apache-flink==2.2.1"), problem("net==1.26", "pure"), TARGET, solver(tmp_path)
    )
    assert pair.venv.versions["net"] == "1.26"
    assert pair.deps.versions == {}


def test_beside_a_venv_another_version_is_taken_only_where_it_must_be(
    published: Index, tmp_path: Path
) -> None:
    held = {"apache-flink": "2.2.1", "net": "2.0", "beam": "1.0", "pure": "1.0"}
    lock = solve_beside(problem("cloud"), held, "2.2.1", TARGET, solver(tmp_path))
    assert lock.versions == {"cloud": "1.33", "net": "1.26", "path": "1.0"}
    assert differing(lock, held) == {"net": ("1.26", "2.0")}

    older = {**held, "net": "1.26"}
    kept = solve_beside(problem("net", "cloud==1.7"), older, "2.2.1", TARGET, solver(tmp_path))
    assert kept.versions == {"cloud": "1.7"}


def test_what_pyflink_does_not_accept_is_refused(published: Index, tmp_path: Path) -> None:
    make_wheel(published.folder, "apache_flink", "2.3.0", requires=["net>=2"])
    held = {"apache-flink": "2.3.0", "net": "2.0"}
    with pytest.raises(ResolutionError) as caught:
        solve_beside(problem("cloud==1.33"), held, "2.3.0", TARGET, solver(tmp_path))
    assert "apache-flink" in str(caught.value)
    assert "net" in str(caught.value)


def test_paths_of_a_preferring_solution_start_from_the_project(
    published: Index, tmp_path: Path
) -> None:
    tree = tmp_path / "trees" / "mine"
    tree.mkdir(parents=True)
    (tree / "pyproject.toml").write_text('[project]\nname = "mine"\nversion = "1"\n')
    (tmp_path / "requirements.txt").write_text("./trees/mine\nnet\n")
    wanted = Problem(read_requirements([tmp_path / "requirements.txt"]), preferences=("net==1.26",))
    lock = resolve(wanted, TARGET, tmp_path, Session(Cache(tmp_path)))
    assert lock.versions["net"] == "1.26"
    [mine] = [package for package in lock.pylock.packages if str(package.name) == "mine"]
    assert mine.directory is not None
    assert mine.directory.path == "trees/mine"
