"""hpckit: bags of independent tasks on any Slurm cluster, through Work Queue or Ray."""

__version__ = "0.1.0"
