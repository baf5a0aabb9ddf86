# A Debian 13 root for what differs there: Slurm 24.11, Python 3.13, Work Queue as ndcctools.
PYTHON ?= .venv/bin/python
TRIXIE = $(or $(wildcard $(PYTHON)),python3) -m tests.support.trixie_root

.PHONY: trixie trixie-remove

trixie: ## make a Debian 13 root to run tests in (root; debootstrap; two minutes, once)
	@$(TRIXIE) make

trixie-remove: ## remove the Debian 13 root
	@$(TRIXIE) remove
