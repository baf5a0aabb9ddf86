# hpckit: `make help` lists everything.
SHELL := /bin/bash
PYTHON ?= .venv/bin/python
.DEFAULT_GOAL := help

include $(wildcard make/*.mk)

.PHONY: help
help: ## this list
	@grep -hE '^[a-z][a-zA-Z0-9_-]*:.*## ' $(MAKEFILE_LIST) | sort | awk -F':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'
