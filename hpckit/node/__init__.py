"""The names by which the scripts of runs made by hpckit 0.1 start their workers.

`hpckit resume` submits a run's own scripts again, and jobs may wait in a queue while hpckit is
upgraded. Nothing else belongs here; new scripts name `hpckit.worker`.
"""
