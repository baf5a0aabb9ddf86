#!/bin/bash
#SBATCH --job-name=sea-ice-1
#SBATCH --output=/scratch/ada/hpckit-runs/sea-ice-1/logs/allocation-%j.log
#SBATCH --chdir='/home/ada/sea ice'
#SBATCH --partition=main
#SBATCH --account=m1234
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=2
#SBATCH --mem=2704M
#SBATCH --time=01:00:00
#SBATCH --signal=B:USR2@120
#SBATCH --no-kill
#SBATCH --requeue
#SBATCH --open-mode=append
# hpckit run sea-ice-1: the head on the first node, and a worker on every node.
# All that belongs to this run is in /scratch/ada/hpckit-runs/sea-ice-1.

module load gcc/13 zfp
source env.sh
export SLURM_EXPORT_ENV=ALL
export PYTHONUNBUFFERED=1

srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks-per-node=1 --cpus-per-task=2 \
    --overlap --no-kill --kill-on-bad-exit=0 --wait=0 \
    /opt/hpckit/bin/python -P -m hpckit.worker.recovery.supervisor /scratch/ada/hpckit-runs/sea-ice-1 &
workers=$!

srun --nodes=1 --ntasks=1 --nodelist="$SLURMD_NODENAME" --overlap \
    /opt/hpckit/bin/python -P -m hpckit.head /scratch/ada/hpckit-runs/sea-ice-1 &
head=$!

# Slurm tells this shell alone that the time is nearly up (USR2), or that the job ends (TERM).
# The head has to know; it hears TERM from Slurm itself, and USR1 that it need not wait longer.
trap 'told=yes; kill -s USR2 "$head" 2>/dev/null' USR2
trap 'told=yes; kill -s USR1 "$head" 2>/dev/null' TERM
until told=no; wait "$head"; code=$?; [ "$told" = no ]; do :; done

# However the head has ended, the workers have no more to do. It told them so; if it could not,
# Slurm does: the signal goes to what still runs of this job, less this shell.
left() { for _ in {1..20}; do kill -0 "$workers" 2>/dev/null || return 0; sleep 0.5; done; false; }
left || { scancel --signal=TERM "$SLURM_JOB_ID"; left; }
exit "$code"
