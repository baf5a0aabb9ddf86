"""An emulated Slurm: its commands, and one small daemon per emulated cluster.

`core` is the pure state machine (no I/O, an injected clock), `daemon` starts and watches
processes for it, `commands` are sbatch, srun, squeue, scancel, sacct, scontrol and sinfo,
and `control` is what the rest of hpckit uses.
"""
