# One suite of cases, on a real Slurm and on the emulated one, with the same assertions.
PYTHON ?= .venv/bin/python

.PHONY: conformance conformance-table

conformance: ## run every case on the real and the emulated Slurm (root; five minutes)
	HPCKIT_CONFORMANCE_RESULTS=results/conformance.json $(PYTHON) -m pytest tests/conformance -q

conformance-table: ## write docs/reference/conformance.md: which case proves which option, variable, state
	$(PYTHON) -m tests.conformance
