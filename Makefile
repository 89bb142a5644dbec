# Every target works on a machine that has only Python (3.11 or newer) and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.locked
STUDY  ?= datasets/mobi/study.toml

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup study test check docs trust bench notebooks oldest newest lock data clean

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 11) else "cxmodels needs Python 3.11 or newer, this is %d.%d: set PYTHON=python3.12" % v[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

setup: $(STAMP)  ## .venv with the locked dependencies and the package

study: setup  ## the main job: STUDY.toml to reports/NAME/ (STUDY=path)
	$(BIN)/cxmodels study $(STUDY)

test: setup  ## all tests
	$(BIN)/python -m pytest -q -n auto

check: setup  ## lint, docstring rules, formatting, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: setup  ## the documentation site: reports/docs/index.html
	$(BIN)/python -m sphinx -W --keep-going -q -c notebooks/docs -d reports/docs/.doctrees notebooks reports/docs
	$(BIN)/python -m tests.site reports/docs

trust: setup  ## the pages on parity, coverage, speed and bad input, from tests and kept benchmark runs
	$(BIN)/python -m tests.trust

bench: setup  ## speed against peers, answers compared first
	$(BIN)/python -m tests.benchmarks

notebooks: setup  ## run every notebook in place
	$(BIN)/python -m jupyter nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

oldest:  ## all tests on Python 3.11 with the oldest dependencies allowed (needs uv)
	uv venv --quiet --clear --python 3.11 $(VENV)-oldest
	uv pip install --quiet --python $(VENV)-oldest --resolution lowest-direct --group dev --editable '.[all]'
	$(VENV)-oldest/bin/python -m pytest -q -n auto -W default::DeprecationWarning  # old libraries upon newer ones

newest:  ## all tests with the newest dependencies (needs uv; PYTHON=python3.13)
	uv venv --quiet --clear --python $(PYTHON) $(VENV)-newest
	uv pip install --quiet --python $(VENV)-newest --group dev --editable '.[all]'
	$(VENV)-newest/bin/python -m pytest -q -n auto

lock:  ## renew requirements.lock (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --all-extras --group dev --group docs pyproject.toml --output-file requirements.lock

data: setup  ## rebuild the files in datasets/ from their sources
	$(BIN)/python datasets/rebuild.py

clean:  ## remove what the other targets made
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-newest .pytest_cache .mypy_cache .ruff_cache .hypothesis
