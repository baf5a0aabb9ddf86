# Rounds in which things break while a bag runs (tests/chaos/README.md).
PYTHON ?= .venv/bin/python
ROUNDS ?= 40
SEED ?= 1
PLACE ?= emulated

.PHONY: chaos
chaos: ## seeded rounds with faults: ROUNDS=40 SEED=1 PLACE=emulated|slurm [ROUND=N plays one again]
	@$(PYTHON) -m tests.chaos --rounds $(ROUNDS) --seed $(SEED) --place $(PLACE) \
	  $(if $(ROUND),--round $(ROUND))

.PHONY: bench-reclaim
bench-reclaim: ## what it costs when every worker is taken back once a minute (6 minutes)
	@$(PYTHON) -m tests.chaos.reclaim
