"""What the docs say of the commands and the files is what the code says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bundler.project.tables import Tables
from bundler.slim.rules import RULES

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


def test_every_slimming_rule_is_described() -> None:
    text = (DOCS / "reference" / "bundle-toml.md").read_text()
    for rule in RULES.values():
        assert f"| `{rule.name}` | {'yes' if rule.default else 'no'} |" in text


@pytest.mark.parametrize("page", [ROOT / "README.md", *DOCS.rglob("*.md")], ids=lambda p: p.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target
