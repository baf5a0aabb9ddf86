#!/bin/bash
#SBATCH --job-name=sea-ice-1.workers
#SBATCH --output=/scratch/ada/hpckit-runs/sea-ice-1/logs/workers-%A_%a.log
#SBATCH --chdir='/home/ada/sea ice'
#SBATCH --partition=main
#SBATCH --account=m1234
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=1204M
#SBATCH --time=01:00:00
#SBATCH --array=0-2
#SBATCH --requeue
#SBATCH --open-mode=append
# Workers of hpckit run sea-ice-1: each waits for the head's address and joins it.
# All that belongs to this run is in /scratch/ada/hpckit-runs/sea-ice-1.

module load gcc/13 zfp
source env.sh
export SLURM_EXPORT_ENV=ALL
export PYTHONUNBUFFERED=1

srun --nodes=1 --ntasks=1 --cpus-per-task=2 \
    /opt/hpckit/bin/python -P -m hpckit.worker /scratch/ada/hpckit-runs/sea-ice-1
