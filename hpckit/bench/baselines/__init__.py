"""Scripts that use each engine as a user without hpckit would.

Each is started with one argument, a JSON file::

    {"commands": [[ARG, …], …], "slots": N, "directory": DIR, …}

and prints one line of JSON, in Unix time::

    {"first_start": T, "last_end": T, "known": T, "done": N, "mean_task_s": SECONDS}

`mean_task_s` is there only if the tool reports how long each task took.
"""
