"""Dispatch of the emulated commands; only the command that runs is imported."""

from __future__ import annotations

import os
import signal
import sys


def run(command: str, state_dir: str, words: list[str]) -> None:
    """Run one command and exit with its code."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if chosen := os.environ.get("SLURM_TIME_FORMAT"):
        from hpckit.emulator.core import formats

        formats.use_stamp_format(chosen)
    code = _dispatch(command, state_dir, words)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # an interpreter's own clean-up takes 5 ms


def _dispatch(command: str, state_dir: str, words: list[str]) -> int:
    if command == "sbatch":
        from hpckit.emulator.commands import sbatch

        return sbatch.main(state_dir, words)
    if command == "srun":
        from hpckit.emulator.commands import srun

        return srun.main(state_dir, words)
    if command == "squeue":
        from hpckit.emulator.commands import squeue

        return squeue.main(state_dir, words)
    if command == "scancel":
        from hpckit.emulator.commands import scancel

        return scancel.main(state_dir, words)
    if command == "sacct":
        from hpckit.emulator.commands import sacct

        return sacct.main(state_dir, words)
    if command == "scontrol":
        from hpckit.emulator.commands import scontrol

        return scontrol.main(state_dir, words)
    from hpckit.emulator.commands import sinfo

    return sinfo.main(state_dir, words)
