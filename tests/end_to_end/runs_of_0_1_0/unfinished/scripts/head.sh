#!/bin/bash
#SBATCH --job-name=kept-unfinished
#SBATCH --output=@RUN_DIR@/logs/head-%j.log
#SBATCH --chdir=@CWD@
#SBATCH --partition=main
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=1500M
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR2@120
#SBATCH --requeue
#SBATCH --open-mode=append
# The head of hpckit run kept-unfinished: it hands out the tasks and keeps the journal.
# All that belongs to this run is in @RUN_DIR@.

export SLURM_EXPORT_ENV=ALL
export PYTHONUNBUFFERED=1

srun --nodes=1 --ntasks=1 --cpus-per-task=1 \
    @PYTHON@ -P -m hpckit.head @RUN_DIR@ &
head=$!

# Slurm tells this shell alone that the time is nearly up (USR2), or that the job ends (TERM).
# The head has to know; it hears TERM from Slurm itself, and USR1 that it need not wait longer.
trap 'told=yes; kill -s USR2 "$head" 2>/dev/null' USR2
trap 'told=yes; kill -s USR1 "$head" 2>/dev/null' TERM
until told=no; wait "$head"; code=$?; [ "$told" = no ]; do :; done
exit "$code"
