# A real four-node Slurm on this machine, for the tests (tests/slurm/README.md).
# It needs only the standard library, so it works before the virtual environment is made.
PYTHON ?= .venv/bin/python
SLURM_CLUSTER = $(or $(wildcard $(PYTHON)),python3) -m tests.slurm.cluster

.PHONY: slurm-up slurm-env slurm-status slurm-down

slurm-up: ## bring up a real four-node Slurm (root; 5 s; tests/slurm/debian-packages.txt)
	@$(SLURM_CLUSTER) up

slurm-env: ## print the export lines for it: eval "$$(make -s slurm-env)"
	@$(SLURM_CLUSTER) env

slurm-status: ## say which of its daemons live and how its nodes are
	@$(SLURM_CLUSTER) status

slurm-down: ## cancel its jobs, end its daemons by PID, remove every trace
	@$(SLURM_CLUSTER) down
