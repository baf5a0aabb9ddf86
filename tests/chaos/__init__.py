"""Seeded rounds in which things break while a bag runs; then everything has to be there.

``make chaos ROUNDS=40 SEED=1 PLACE=emulated`` plays them; ``README.md`` says how to read them.
"""
