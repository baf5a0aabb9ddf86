"""sbatch, srun, squeue, scancel, sacct, scontrol, sinfo: standard library only, few imports."""
