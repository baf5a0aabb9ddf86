# The newcomer's way, tried on a machine that has only Debian, git, make and Python.
PYTHON ?= .venv/bin/python
RELEASE ?= bookworm
FRESH = $(or $(wildcard $(PYTHON)),python3) -m tests.install

.PHONY: fresh fresh-remove

fresh: ## try this commit on a bare Debian; RELEASE=trixie, JOURNEYS="demo user" (root; 15 minutes)
	@$(FRESH) $(RELEASE) $(JOURNEYS)

fresh-remove: ## remove the bare Debian; RELEASE=trixie
	@$(FRESH) $(RELEASE) --remove
