#!/bin/bash
#SBATCH --job-name=kept-unfinished.workers
#SBATCH --output=@RUN_DIR@/logs/workers-%A_%a.log
#SBATCH --chdir=@CWD@
#SBATCH --partition=main
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=2000M
#SBATCH --time=01:00:00
#SBATCH --array=0-1
#SBATCH --requeue
#SBATCH --open-mode=append
# Workers of hpckit run kept-unfinished: each waits for the head's address and joins it.
# All that belongs to this run is in @RUN_DIR@.

export SLURM_EXPORT_ENV=ALL
export PYTHONUNBUFFERED=1

srun --nodes=1 --ntasks=1 --cpus-per-task=1 \
    @PYTHON@ -P -m hpckit.node.worker @RUN_DIR@
