# Two commands do everything on a fresh machine with Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
BASE := .venv/.installed-base
STAMP := .venv/.installed
# Compiled modules are kept: without them a process takes three times as long to start.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test slow lint types check docs clean

demo: $(BASE)
	$(BIN)/autotransfer demo

test: $(STAMP)
	$(BIN)/pytest -n 2 --dist worksteal

slow: $(STAMP)
	$(BIN)/pytest -n 2 --dist worksteal -m slow --timeout 1800

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

check: lint types test

docs: $(STAMP)
	$(BIN)/python docs/write_cli_reference.py
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build

$(BASE): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("autotransfer needs Python 3.11 or newer") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make an environment: it has no ensurepip." \
	  "Debian and Ubuntu: apt-get install python3-venv; or name another Python: make PYTHON=..." >&2; exit 1; }
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e .
	touch $(BASE)

$(STAMP): $(BASE)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -c constraints.txt -e . --group dev
	touch $(STAMP)

clean:
	rm -rf .venv autotransfer-demo docs/_build

# Ours against what 20 lines do, on pictures of the kit; half an hour on two cores, resumable.
.PHONY: scoreboard
scoreboard: $(STAMP)
	$(BIN)/python -m tests.benchmarks.scoreboard run
	$(BIN)/python -m tests.benchmarks.scoreboard table
