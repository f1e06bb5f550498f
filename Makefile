# Needs Python 3.10 or newer and make; everything else goes into .venv.
PYTHON ?= python3
JOBS   ?= 2
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo test lint format bench bench-quick clean

help:
	@echo "make demo     install netc into $(VENV) and train the digits network"
	@echo "make test     install what the tests need, lint, and run every test"
	@echo "make lint     ruff and pyright only"
	@echo "make format   let ruff format and mend what it can"
	@echo "make bench    install the peers, measure netc beside them, write results and the README's table (25 to 40 minutes)"
	@echo "make bench-quick   whether a ratio has fallen since (2 minutes)"
	@echo "make clean    remove $(VENV), caches and build results (runs/ is kept)"

demo: $(VENV)/.installed-data
	$(BIN)/netc train digits

test: lint
	$(BIN)/python -m pytest -q -n $(JOBS) $(PYTEST_ARGS)

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks.speed --keep $(BENCH_ARGS)

bench-quick: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks.speed --quick $(BENCH_ARGS)

# One stamp for each set of extras. The folder outlives changes of pyproject.toml, the stamps do not.
$(VENV)/.installed-%: $(VENV)/.made pyproject.toml
	@echo "installing netc[$*] into $(VENV) (minutes the first time, then only after pyproject.toml changes)"
	@$(PIP) install --editable '.[$*]'
	@touch $@

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo "netc: '$(PYTHON)' not found; say which Python to use: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	    echo "netc needs Python 3.10 or newer, and '$(PYTHON)' is $$($(PYTHON) -c 'import platform; print(platform.python_version())'); use another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "netc: '$(PYTHON) -m venv' failed; on Debian and Ubuntu it comes with the package python3-venv" >&2; exit 1; }
	@touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
	find netc tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
