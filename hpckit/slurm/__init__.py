"""Slurm's commands: one function each, with pure parsers beside them. Nothing here waits."""
