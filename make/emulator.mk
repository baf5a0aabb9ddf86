# The emulated Slurm by itself: its tests, its speed, its soak (docs/how-to/emulated-slurm.md).
PYTHON ?= .venv/bin/python
SOAK_MINUTES ?= 30
SEED ?= 1

.PHONY: test-emulator bench-emulator soak

test-emulator: ## tests of the emulated Slurm: state machine, live daemon (under 2 minutes)
	@$(PYTHON) -m pytest tests/emulator -q

bench-emulator: ## 500 array jobs: at least 20 a second, daemon under 100 MB (results/bench-emulator.json)
	@$(PYTHON) -m tests.emulator.bench

soak: ## the emulated Slurm under random work and faults: SOAK_MINUTES=30, SEED=1 (results/soak.json)
	@$(PYTHON) -m tests.emulator.soak --minutes $(SOAK_MINUTES) --seed $(SEED)
