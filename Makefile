# Two commands are enough on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
GATES := build/gates

.PHONY: demo test lint bundle bench bench-serve bench-push bench-flips bench-edge edges rehearse rehearse-release gates gate-tools security clean

demo: $(VENV)/.base
	$(BIN)/toolkit demo

# In as many processes as the machine has processors, four at most; a file's tests stay in one of them.
# In the order of their names: files of few but long tests would come last otherwise, with one process at work.
test: $(VENV)/.test
	$(BIN)/pytest -q -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Pushes, uploads and releases as the synthesised templates have them, played here in four minutes or so; builds fetch from npm and PyPI.
rehearse: $(VENV)/.test bundle
	$(BIN)/python -m tests.rehearsal

# Without pipelines; two to three minutes.
rehearse-release: $(VENV)/.test bundle
	$(BIN)/python -m tests.rehearsal --release

# What templates are held to, with tools of their own below build/gates; `security` also writes the table of docs/security.md.
gates: $(VENV)/.test gate-tools
	CI=true $(BIN)/pytest -q tests/cdk

security: $(VENV)/.test gate-tools
	$(BIN)/python -m tests.gates.security

gate-tools: $(GATES)/checkov/.ready $(GATES)/asl/.ready

$(GATES)/checkov/.ready: tests/gates/requirements.txt
	$(PYTHON) -m venv $(GATES)/checkov
	$(GATES)/checkov/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

$(GATES)/asl/.ready: tests/gates/package.json
	mkdir -p $(GATES)/asl
	cp $< $(GATES)/asl/
	cd $(GATES)/asl && npm install --silent --no-package-lock --omit-lockfile-registry-resolved
	touch $@

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

# What the Lambda functions run, into build/lambda: handlers, and libraries as ready-made wheels for their processor.
bundle: $(VENV)/.test
	$(BIN)/python -m toolkit.bundle

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
