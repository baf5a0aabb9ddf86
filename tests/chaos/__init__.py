"""Seeded rounds of faults while a bag runs; afterwards every task and output must be there.

``make chaos ROUNDS=40 SEED=1 PLACE=emulated`` runs them; ``README.md`` explains the output.
"""
