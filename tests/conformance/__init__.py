"""One suite of cases, run on a real Slurm and on the emulated one with the same assertions.

A case is a small function that submits a script and asserts what can be observed. Cases are
grouped by module in `cases/`; `inventory` lists what they must cover; `python -m
tests.conformance` runs them and writes `docs/reference/conformance.md`.
"""
