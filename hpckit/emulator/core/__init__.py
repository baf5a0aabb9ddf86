"""The pure part: what Slurm would decide, without I/O and with an injected clock."""
