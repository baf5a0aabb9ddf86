"""Slurm's commands: one function for each, and pure parsers of what they print."""
