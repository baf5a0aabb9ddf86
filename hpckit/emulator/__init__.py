"""Slurm's commands and one small daemon, so that a laptop runs the scripts that a cluster gets."""
