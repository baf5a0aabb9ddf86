"""The daemon (slurmctld), and the step daemons that it forks (slurmstepd)."""
