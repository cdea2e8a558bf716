# make install   the environment from the lock file        make demo   everything, from nothing to a served queue
# make test      every check, as CI runs it                 make stop   stop the demo's service      make lock   renew the lock
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := data/local/demo
PORT ?= 3000
ACCOUNTS ?= 20000

.PHONY: help install demo stop test lint lock clean
help:
	@sed -n '1,2s/^# //p' Makefile

install: $(VENV)/.installed

# Each stamp is written last: a half-made environment has none and is made again.
$(VENV)/.locked: requirements.lock
	@$(PYTHON) .ci/requirements_met.py
	@echo "== environment: $(VENV) from requirements.lock (2 to 4 minutes the first time)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements.lock
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install
	@PORT=$(PORT) ACCOUNTS=$(ACCOUNTS) DEMO=$(DEMO) BIN=$(BIN) bash .ci/demo.sh

stop:
	@bash .ci/stop.sh

test: install
	@bash .ci/test.sh

lint: install
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

lock:
	uv pip compile pyproject.toml --extra dev --generate-hashes --universal --python-version 3.11 --no-annotate --no-header -o requirements.lock

clean:
	rm -rf $(VENV) .scoring data/local .pytest_cache .mypy_cache .ruff_cache .hypothesis
