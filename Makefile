PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Where it is set, every start of the command would compile all of its modules again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: install check test test-all unit fuzz demo docs bench clean

install: $(STAMP)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.8.4'
	$(BIN)/uv pip install --quiet --python $(BIN)/python --editable '.[container,conda,wheel]' --group dev
	touch $@

check: install
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/codespell
	$(BIN)/mypy
	cd jobs && ../$(BIN)/mypy
	$(BIN)/vermin --quiet --target=3.7- --no-tips --violations jobs/flink_plugins
	PYTHONPATH=jobs $(BIN)/lint-imports --no-cache

unit: install
	$(BIN)/pytest --numprocesses 2 tests/unit

test: unit
	$(BIN)/pytest -m "not slow" tests/integration

# The slow ones too: more points of failure, more rounds.
test-all: unit
	$(BIN)/pytest tests/integration

# Every reader for SECONDS, two at a time; reports and what was found are in .fuzz/.
SECONDS ?= 600
fuzz: install
	nice -n 19 $(BIN)/python -m tests.fuzz --seconds $(SECONDS) --keep .fuzz

demo: install
	$(BIN)/bundle build --project examples/opencv
	$(BIN)/bundle run --project examples/opencv

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

bench: install
	$(BIN)/python -m tests.benchmarks

.PHONY: docs/reference/commands.md docs/reference/api.md docs/reference/errors.md
.PHONY: docs/explanation/architecture.md docs/reference/requirements.md docs/reference/slimming.md

docs/reference/commands.md: install
	$(BIN)/typer bundler.cli.app utils docs --name bundle --title "The commands" --output $@

docs/reference/api.md: install
	$(BIN)/python -m tests.support.api_page

docs/explanation/architecture.md: install
	$(BIN)/python -m tests.support.architecture_page

docs/reference/slimming.md: install
	$(BIN)/python -m tests.support.slimming_page > $@

docs/reference/requirements.md: install
	$(BIN)/python -m tests.support.requirements_page

docs/reference/errors.md: install
	$(BIN)/python -m tests.support.errors_page

clean:
	rm -rf $(VENV) dist site .bench .fuzz
