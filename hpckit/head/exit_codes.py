"""The exit codes by which the main loop tells its supervisor how it ended."""

from typing import Final

DONE: Final = 0
TASKS_FAILED: Final = 1
BROKEN: Final = 3  # an engine or storage failed; another start would not help
FLUSHED: Final = 75  # told to go, all is in the journal, another head can go on
TERMINATED: Final = 143  # ended by Slurm before the run was over
