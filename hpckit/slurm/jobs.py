"""Ask for the states of many jobs at once, by squeue, sacct and scontrol."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from hpckit.errors import SchedulerError
from hpckit.slurm.command import CommandFailed, CommandMissing, CommandStuck, run_slurm
from hpckit.slurm.hostlist import base_id
from hpckit.slurm.sacct import AccountingOff, sacct
from hpckit.slurm.scontrol import show_job
from hpckit.slurm.squeue import squeue
from hpckit.slurm.states import UNKNOWN, JobState

_REACHABLE_TIMEOUT_S = 5.0
#: Errors of a client that has no slurm.conf and finds none through DNS.
_NOT_CONFIGURED = re.compile("establish a configuration source|open .*slurm.conf|stat .*slurm.conf")


def job_states(job_ids: Sequence[str], *, slurm_bin: str) -> dict[str, JobState]:
    """Return the states of these jobs in Slurm.

    squeue is asked first, once for all jobs. Then sacct is asked once, for jobs that squeue does
    not know and for the exit codes of jobs that have ended. Where accounting is off, scontrol is
    asked instead, once for each job or array. Do not ask again for a job that has ended.

    Args:
        job_ids: ``57`` (a job, or every element of an array) or ``57_3``.
        slurm_bin: the directory of the commands; ``""`` means PATH.

    Returns:
        The states by the id that squeue prints. A job that Slurm does not know is included as
        ``UNKNOWN``: it may have ended, or Slurm may not know it *yet*.

    Raises:
        SchedulerError: squeue failed; or sacct failed although accounting is on, and squeue does
            not know one of the jobs.
    """
    wanted = list(dict.fromkeys(job_ids))
    found = {state.job_id: state for state in squeue(wanted, slurm_bin=slurm_bin)}
    unclear = [job for job in wanted if _needs_sacct(job, found)]
    if unclear:
        try:
            found = _merge(found, _ask_further(unclear, slurm_bin))
        except SchedulerError:
            if not _known_ids(found).issuperset(unclear):
                raise  # else the controller's answer is enough while accounting does not answer
    return _answer(wanted, found)


def job_history(job_ids: Sequence[str], *, slurm_bin: str) -> dict[str, tuple[JobState, ...]]:
    """Return every run of these jobs, oldest first; a requeued job has run several times.

    Without accounting only the last run is known.

    Raises:
        SchedulerError: sacct or scontrol failed.
    """
    history: dict[str, tuple[JobState, ...]] = {}
    for state in _ask_further(job_ids, slurm_bin):
        if _is_wanted(state.job_id, job_ids):
            history[state.job_id] = (*history.get(state.job_id, ()), state)
    return history


def reachable(slurm_bin: str) -> bool:
    """Return True if this machine has a Slurm; its controller has five seconds to answer.

    Raises:
        SchedulerError: Slurm's client is configured here, but no controller answers.
    """
    try:
        run_slurm("scontrol", ["ping"], slurm_bin=slurm_bin, timeout_s=_REACHABLE_TIMEOUT_S)
    except CommandMissing:
        return False
    except (CommandFailed, CommandStuck) as error:
        if isinstance(error, CommandFailed) and _NOT_CONFIGURED.search(error.stderr):
            return False
        raise SchedulerError(
            f"Slurm is installed here, but no controller answers: {error.message}",
            hint="Try again, or say where to run: --site slurm, or --site local for this machine.",
        ) from error
    return True


def _needs_sacct(job_id: str, found: dict[str, JobState]) -> bool:
    """Return True if squeue does not know the job, or does not tell how it ended.

    It is true for every array, which squeue lists by its elements: some may be missing there.
    """
    state = found.get(job_id)
    return state is None or state.phase in ("ended", "unknown")


def _known_ids(found: Collection[str]) -> set[str]:
    """Return the ids of the found jobs, and of the arrays that have a found element."""
    return {base_id(job) for job in found} | set(found)


def _ask_further(job_ids: Sequence[str], slurm_bin: str) -> list[JobState]:
    try:
        return sacct(job_ids, slurm_bin=slurm_bin)
    except AccountingOff:
        bases = sorted({base_id(job) for job in job_ids})
        return [state for base in bases for state in show_job(base, slurm_bin=slurm_bin)]


def _merge(found: dict[str, JobState], later: Iterable[JobState]) -> dict[str, JobState]:
    """Add the jobs that only accounting still knows, and the exit codes of the others.

    Accounting is late: a job that ended a moment ago may still be RUNNING there, or its newest
    record may be of an earlier run.
    """
    merged = dict(found)
    for state in later:
        known = found.get(state.job_id)
        if known is None:
            merged[state.job_id] = state
        elif known.phase == "ended" and known.state == state.state:
            merged[state.job_id] = replace(known, exit_code=state.exit_code, signal=state.signal)
    return merged


def _is_wanted(job_id: str, wanted: Sequence[str]) -> bool:
    return job_id in wanted or base_id(job_id) in wanted


def _answer(wanted: Sequence[str], found: dict[str, JobState]) -> dict[str, JobState]:
    answer = {job: state for job, state in found.items() if _is_wanted(job, wanted)}
    covered = _known_ids(answer)
    for job in wanted:
        if job not in covered:
            answer[job] = JobState(job_id=job, state=UNKNOWN)
    return answer
