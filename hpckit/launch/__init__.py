"""From a bag to Slurm: plan and render are pure, submit acts. Runs on the login node."""
