# Two commands are enough on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench bench-serve bench-push bench-flips bench-edge edges clean

demo: $(VENV)/.base
	$(BIN)/toolkit demo

test: $(VENV)/.test
	$(BIN)/pytest -q

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: bench-push bench-serve

bench-serve: $(VENV)/.base
	$(BIN)/python -m tests.bench.serve

bench-push: $(VENV)/.base
	$(BIN)/python -m tests.bench.push

bench-flips: $(VENV)/.base
	$(BIN)/python -m tests.bench.flips

# Needs njs, valgrind and npm; two to three minutes.
bench-edge: $(VENV)/.test
	$(BIN)/python -m tests.bench.edge

# 20,000 steps of deploys, rollbacks and canaries while edges lag behind; about ten minutes.
edges: $(VENV)/.test
	LAGGING_STEPS=20000 $(BIN)/pytest -q -s tests/aws/test_lagging_edges.py

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	touch $@ $(VENV)/.base

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
