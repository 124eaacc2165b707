# `make` alone lists the verbs. Everything is installed into .venv from the hashed lock.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed


.PHONY: help setup demo run check test golden words lock docs bench bench-peers contract torture clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## install everything into .venv

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Infolettre needs Python 3.11 or later: make PYTHON=/path/to/python3.11"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -m compileall -q pipeline
	@touch $@

demo: $(STAMP) ## validate, render, send and archive the newest letter, offline
	@$(BIN)/infolettre demo

run: $(STAMP) ## show the newest letter in a page that follows your edits
	@$(BIN)/infolettre preview

check: $(STAMP) ## format, lint, types, import order, docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q -n 2 tests/house

test: $(STAMP) ## run every test
	@$(BIN)/pytest -n 2

golden: $(STAMP) ## rewrite the golden letters; read the diff
	@$(BIN)/pytest -q -n 0 tests/render/test_golden.py --rewrite-golden

words: $(STAMP) ## extract the sentences, update and compile the catalogues
	@$(BIN)/python -m tests.house.words

lock: $(STAMP) ## renew requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --group dev pyproject.toml -o requirements.lock

docs: $(STAMP) ## rebuild the generated pages and pictures of docs/
	@$(BIN)/python -m tests.house.pages

bench: $(STAMP) ## measure; ratios in one run, and peak memory
	@$(BIN)/python bench/render.py
	@PATH="$$PATH:/usr/sbin" $(BIN)/python bench/send.py
	@PATH="$$PATH:/usr/sbin" $(BIN)/python bench/campaign.py
	@$(BIN)/python bench/sendgrid_api.py
	@$(BIN)/python bench/veille.py
	@$(BIN)/python bench/veille_desk.py
	@$(BIN)/python bench/veille_add.py

bench-peers: $(STAMP) ## install what the bench compares with (npm, PyPI), into an ignored folder
	@mkdir -p bench/peers && cp bench/package.json bench/package-lock.json bench/peers/ && cd bench/peers && npm ci --ignore-scripts --silent
	@test -x bench/peers/venv/bin/python || $(PYTHON) -m venv bench/peers/venv
	@$(BIN)/uv pip sync --quiet --python bench/peers/venv/bin/python --require-hashes bench/peers.txt

contract: $(STAMP) ## install Prism (npm), and hold SendGrid's calls to its own OpenAPI file
	@cd tests/contract && npm ci --ignore-scripts --silent
	@$(BIN)/pytest -q -n 0 -rs tests/delivery/test_prism.py

torture: $(STAMP) ## break sending on purpose, at full size: half an hour
	@$(BIN)/python -W ignore -m tests.torture

clean: ## remove what was built
	@rm -rf build dist var .pytest_cache .mypy_cache .ruff_cache .hypothesis
