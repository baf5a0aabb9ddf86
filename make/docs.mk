# The documents: the recorded terminal session, the printed text of the tutorial.
PYTHON ?= .venv/bin/python

.PHONY: docs-terminal docs-tutorial

docs-terminal: ## record docs/terminal/session.svg: the commands really run, on an emulated Slurm
	@$(PYTHON) docs/terminal/record.py docs/terminal/session.svg

docs-tutorial: ## write what the tutorial's commands print into docs/tutorial.md
	@HPCKIT_TUTORIAL=write $(PYTHON) -m pytest -q tests/end_to_end/test_tutorial.py
