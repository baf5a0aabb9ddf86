"""The daemon (slurmctld), and the keepers of steps that it forks (slurmstepd)."""
