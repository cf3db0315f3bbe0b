# make demo: the whole job on built-in data, with pictures.   make test: everything is checked.
# Both make their own environment in .venv first (make env); nothing else is needed but Python 3.11+ and make.

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
WORKERS ?= 2

.PHONY: env demo test lint bench lock clean

env: .venv/.installed

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Luneta needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one with: make PYTHON=python3.12 ...") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --constraint constraints.txt --editable '.[app]'
	@touch $@

.venv/.installed-test: .venv/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[test,dev]'
	@touch $@

.venv/.installed-bench: .venv/.installed
	$(PIP) install --quiet --constraint constraints.txt --editable '.[bench]'
	@touch $@

demo: env
	$(BIN)/luneta demo --out demo

test: .venv/.installed-test
	$(BIN)/python -m pytest -n $(WORKERS)

lint: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.installed-bench
	$(BIN)/python benchmarks/evaluate.py

# Rewrites constraints.txt from what is installed now; edit .venv first (for example: .venv/bin/pip install -U NAME).
lock: .venv/.installed-test .venv/.installed-bench
	@{ echo "# Exact versions that Luneta is tested with; made by: make lock"; \
	   $(PIP) freeze --exclude-editable | grep -vE '^(pip|setuptools|luneta)\b' | sed -E 's/^torch==([0-9.]+)\+.*/torch==\1/; / @ /d'; } > constraints.txt

clean:
	rm -rf .venv demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
