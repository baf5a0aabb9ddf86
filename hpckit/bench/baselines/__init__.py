"""Each engine as a plain user would use it: scripts that know nothing of hpckit.

Each is started with one argument, a JSON file::

    {"commands": [[ARG, …], …], "slots": N, "directory": DIR, …}

and prints one line of JSON, in Unix time::

    {"first_start": T, "last_end": T, "known": T, "done": N, "mean_task_s": SECONDS}

the last where the tool tells how long each task took.
"""
