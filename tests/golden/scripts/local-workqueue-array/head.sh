#!/bin/bash
#SBATCH --job-name=sea-ice-1
#SBATCH --output=/scratch/ada/hpckit-runs/sea-ice-1/logs/head-%j.log
#SBATCH --chdir='/home/ada/sea ice'
#SBATCH --partition=main
#SBATCH --account=m1234
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=1
#SBATCH --mem=1500M
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR2@120
#SBATCH --requeue
#SBATCH --open-mode=append
# The head of hpckit run sea-ice-1: it hands out the tasks and keeps the journal.
# All that belongs to this run is in /scratch/ada/hpckit-runs/sea-ice-1.

module load gcc/13 zfp
source env.sh
export SLURM_EXPORT_ENV=ALL
export PYTHONUNBUFFERED=1

srun --nodes=1 --ntasks=1 --cpus-per-task=1 \
    /opt/hpckit/bin/python -m hpckit.head /scratch/ada/hpckit-runs/sea-ice-1 &
head=$!

# Slurm warns this shell, and nothing else, before the time is up: the head has to know.
trap 'warned=yes; kill -s USR2 "$head" 2>/dev/null' USR2
# The head hears TERM from Slurm itself; stay until it has ended.
trap 'warned=yes' TERM
until warned=no; wait "$head"; code=$?; [ "$warned" = no ]; do :; done
exit "$code"
