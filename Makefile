# Two commands do everything on a fresh machine with Python 3.11 or newer: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
BASE := .venv/.installed-base
STAMP := .venv/.installed
# Compiled modules are kept: without them a process takes three times as long to start.
export PYTHONDONTWRITEBYTECODE :=
PYTEST := $(BIN)/pytest -n 2 --dist worksteal

.PHONY: demo test slow ci nightly lint types check docs clean

demo: $(BASE)
	$(BIN)/autotransfer demo

# For development: what ends in seconds. `slow` has the rest of what continuous integration runs.
test: $(STAMP)
	$(PYTEST)

slow: $(STAMP)
	$(PYTEST) -m "slow and not nightly" --timeout 900

# Both in one session: libraries are imported, and fixtures made, once.
ci: $(STAMP)
	$(PYTEST) -m "not nightly" --timeout 900 --durations=25

# Statistics over many seeds, and whether a test notices each fault of a list.
nightly: $(STAMP)
	$(PYTEST) -m nightly --timeout 7200 --durations=0
	$(BIN)/python tests/mutations.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

check: lint types test

docs: $(STAMP)
	$(BIN)/python docs/write_cli_reference.py
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build

# The checklist of a release, up to the upload: tests/packaging/release_check.py.
.PHONY: release-check
release-check: $(STAMP)
	$(BIN)/python -m tests.packaging.release_check

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
