"""What the docs say of the commands and the files is what the code says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bundler.project.tables import Tables
from tests.support.architecture_page import PAGE as ARCHITECTURE
from tests.support.architecture_page import architecture_page
from tests.support.requirements_page import PAGE as REQUIREMENTS
from tests.support.requirements_page import requirements_page
from tests.support.slimming_page import slimming_page

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"


def test_the_commands_are_those_of_the_command_line(tmp_path: Path) -> None:
    made = tmp_path / "commands.md"
    typer = Path(sys.executable).parent / "typer"
    words = ["bundler.cli.app", "utils", "docs", "--name", "bundle", "--title", "The commands"]
    subprocess.run([typer, *words, "--output", made], cwd=ROOT, check=True, capture_output=True)
    assert made.read_text() == (DOCS / "reference" / "commands.md").read_text(), (
        "run `make docs/reference/commands.md`"
    )


def test_every_key_of_bundle_toml_is_described() -> None:
    text = (DOCS / "reference" / "bundle-toml.md").read_text()
    for table, field in Tables.model_fields.items():
        assert f"[{table}" in text
        model = field.annotation
        fields = getattr(model, "model_fields", None) or getattr(
            getattr(model, "__args__", [None])[0], "model_fields", {}
        )
        for name, key in fields.items():
            written = key.alias or name
            pattern = rf"(?m)^    .*(?<![\w-]){re.escape(written)}( = |\])"
            assert re.search(pattern, text), f"{table}.{written}"


def test_the_slimming_rules_are_those_of_the_code() -> None:
    page = DOCS / "reference/slimming.md"
    assert page.read_text() == slimming_page(), "run `make -B docs/reference/slimming.md`"


def test_the_modules_of_the_architecture_are_those_of_the_tree() -> None:
    assert ARCHITECTURE.read_text() == architecture_page(), (
        "run `make docs/explanation/architecture.md`"
    )


def test_the_options_of_requirements_files_are_those_of_the_code() -> None:
    assert REQUIREMENTS.read_text() == requirements_page(), (
        "run `make docs/reference/requirements.md`"
    )


PAGES = [
    *ROOT.glob("*.md"),
    *DOCS.rglob("*.md"),
    *(ROOT / "examples").rglob("*.md"),
    *(ROOT / "build_images").rglob("*.md"),
    ROOT / "jobs" / "README.md",
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_the_site_builds_and_every_page_is_in_its_navigation(tmp_path: Path) -> None:
    mkdocs = Path(sys.executable).parent / "mkdocs"
    finished = subprocess.run(
        [mkdocs, "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    pages = {page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")}
    assert all((tmp_path / "site" / page).exists() for page in pages)


def test_every_variable_that_the_code_reads_is_on_its_page() -> None:
    page = (ROOT / "docs/reference/environment.md").read_text(encoding="utf-8")
    read = {
        name
        for path in (ROOT / "bundler").rglob("*.py")
        for name in re.findall(r"BUNDLE_[A-Z_]+", path.read_text(encoding="utf-8"))
    }
    assert read == set(re.findall(r"BUNDLE_[A-Z_]+", page))
