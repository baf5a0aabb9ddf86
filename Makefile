# hpckit: `make` lists everything. What needs setting up is set up by make/setup.sh.
SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= $(VENV)/bin/python
.DEFAULT_GOAL := help

include $(wildcard make/*.mk)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z][a-zA-Z0-9_-]*:.*## ' $(MAKEFILE_LIST) | sort \
	  | awk -F':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'

.PHONY: setup
setup: ## install what `make demo` needs: Debian packages, .venv, the C++ task
	@make/setup.sh packages make/debian-packages.txt native/debian-packages.txt
	@make/setup.sh venv $(VENV) demo
	@make/setup.sh native $(VENV)

.PHONY: setup-dev
setup-dev: setup ## the same, and what the tests need: a real Slurm, linters
	@make/setup.sh packages tests/debian-packages.txt tests/slurm/debian-packages.txt
	@make/setup.sh venv $(VENV) dev
	@make/setup.sh sanitized

.PHONY: demo
demo: setup ## the main job: real climate fields, on Ray and on Work Queue
	@$(VENV)/bin/hpckit demo

.PHONY: test
test: setup-dev lint ## every test that this machine can run, and which it could not, and why
	@PYTHON=$(PYTHON) make/test.sh all

.PHONY: test-fast
test-fast: ## unit tests and golden scripts, on all cores (a minute; no Slurm, Ray or Work Queue)
	@PYTHON=$(PYTHON) make/test.sh fast -q

.PHONY: lint
lint: ## ruff, mypy --strict, import-linter
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(VENV)/bin/lint-imports

.PHONY: format
format: ## lay the code out as `make lint` wants it
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

.PHONY: golden
golden: ## write the golden scripts anew, on purpose; read the difference before you commit
	@HPCKIT_GOLDEN=write $(PYTHON) -m pytest -q tests/golden/test_scripts.py
