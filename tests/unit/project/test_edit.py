"""Requirements added and removed, with comments and order kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundler.errors import UsageError
from bundler.project.edit import add_requirements, remove_requirements, restored_on_error
from bundler.project.tables import Project, find_project

TOML = """\
# mine
[deps]
packages = [
    "leaf>=1",  # for the leaves
    "other",
]
"""


def project(folder: Path, text: str = TOML, name: str = "bundle.toml") -> Project:
    (folder / name).write_text(text)
    return find_project(folder)


def test_into_the_first_requirements_file(tmp_path: Path) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("# what the job needs\nLeaf>=1  # old\n-c constraints.txt\n")
    own = project(tmp_path, '[deps]\nrequirements = ["requirements.txt"]\n')
    assert add_requirements(own, ["leaf>=2", "fresh[fast]==1.0"]) == (file,)
    assert file.read_text() == (
        "# what the job needs\nleaf>=2  # old\n-c constraints.txt\nfresh[fast]==1.0\n"
    )
    assert remove_requirements(own, ["LEAF"]) == (file,)
    assert file.read_text() == "# what the job needs\n-c constraints.txt\nfresh[fast]==1.0\n"


def test_into_the_packages_of_bundle_toml(tmp_path: Path) -> None:
    own = project(tmp_path)
    add_requirements(own, ["leaf==2", "more"])
    text = (tmp_path / "bundle.toml").read_text()
    assert text.startswith("# mine\n[deps]\n")
    assert "# for the leaves" in text
    assert find_project(tmp_path).tables.deps.packages == ("leaf==2", "other", "more")  # type: ignore[union-attr]
    remove_requirements(find_project(tmp_path), ["other"])
    assert find_project(tmp_path).tables.deps.packages == ("leaf==2", "more")  # type: ignore[union-attr]


def test_into_the_table_of_a_pyproject(tmp_path: Path) -> None:
    own = project(
        tmp_path,
        '[project]\nname = "x"\n\n[tool.bundle.target]\npython = "3.11"\n',
        "pyproject.toml",
    )
    add_requirements(own, ["leaf"])
    assert find_project(tmp_path).tables.deps.packages == ("leaf",)  # type: ignore[union-attr]
    assert (tmp_path / "pyproject.toml").read_text().startswith('[project]\nname = "x"\n')


@pytest.mark.parametrize("wrong", ["", "leaf >", "-e .", "leaf\n--index-url http://127.0.0.1"])
def test_what_is_not_a_requirement_changes_nothing(tmp_path: Path, wrong: str) -> None:
    own = project(tmp_path)
    with pytest.raises(UsageError, match="is not a requirement"):
        add_requirements(own, ["good", wrong])
    assert (tmp_path / "bundle.toml").read_text() == TOML


def test_what_is_not_there_cannot_be_removed(tmp_path: Path) -> None:
    own = project(tmp_path)
    with pytest.raises(UsageError, match="'absent' is not a requirement of this project") as caught:
        remove_requirements(own, ["leaf", "absent"])
    assert "leaf, other" in caught.value.expected
    assert (tmp_path / "bundle.toml").read_text() == TOML


def test_a_failed_resolution_leaves_the_files_as_they_were(tmp_path: Path) -> None:
    own = project(tmp_path)
    with pytest.raises(RuntimeError), restored_on_error(own):
        add_requirements(own, ["more"])
        raise RuntimeError
    assert (tmp_path / "bundle.toml").read_text() == TOML
