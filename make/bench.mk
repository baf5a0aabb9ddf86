# The comparison of the engines (docs/explanation/scenarios.md).

.PHONY: setup-bench bench

setup-bench: setup ## what `make bench` needs beside: matplotlib, HyperQueue, GNU parallel
	@make/setup.sh packages make/bench-debian-packages.txt
	@make/setup.sh venv $(VENV) bench

bench: setup-bench ## measure the engines in three scenarios, gather, draw (10 minutes; results/)
	@$(VENV)/bin/hpckit bench baseline
	@$(VENV)/bin/hpckit bench slurm
	@$(VENV)/bin/hpckit bench spot
	@$(VENV)/bin/hpckit bench summary --write-docs
