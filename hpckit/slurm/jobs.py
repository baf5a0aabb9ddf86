"""The states of jobs by one batched question, whoever knows the answer."""

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
#: What the client says that has no slurm.conf and finds none in the DNS.
_NOT_CONFIGURED = re.compile("establish a configuration source|open .*slurm.conf|stat .*slurm.conf")


def job_states(job_ids: Sequence[str], *, slurm_bin: str) -> dict[str, JobState]:
    """Return what Slurm says of these jobs.

    squeue is asked first, once for all. sacct is asked, once, for what squeue does not know
    and for the exit codes of what has ended; where accounting is off, scontrol is, once per
    job or array. Ask no more for a job that has ended.

    Args:
        job_ids: ``57`` (a job, or every element of an array) or ``57_3``.
        slurm_bin: the directory of the commands; ``""`` means PATH.

    Returns:
        By the id that squeue prints. A job that nobody knows is there too, as ``UNKNOWN``: it
        may have ended, it may not be known *yet*.

    Raises:
        SchedulerError: squeue failed, or sacct did (other than by being off) where squeue knows
            nothing of a job.
    """
    wanted = list(dict.fromkeys(job_ids))
    found = {state.job_id: state for state in squeue(wanted, slurm_bin=slurm_bin)}
    open_ids = [job for job in wanted if _unsettled(job, found)]
    if open_ids:
        try:
            found = _merge(found, _ask_further(open_ids, slurm_bin))
        except SchedulerError:
            if not _covered(found).issuperset(open_ids):
                raise  # else the controller's word is enough while accounting is away
    return _answer(wanted, found)


def job_history(job_ids: Sequence[str], *, slurm_bin: str) -> dict[str, tuple[JobState, ...]]:
    """Return every life of these jobs, oldest first; a requeued job has had several.

    Without accounting only the last life is known.

    Raises:
        SchedulerError: sacct or scontrol failed.
    """
    history: dict[str, tuple[JobState, ...]] = {}
    for state in _ask_further(job_ids, slurm_bin):
        if _is_wanted(state.job_id, job_ids):
            history[state.job_id] = (*history.get(state.job_id, ()), state)
    return history


def reachable(slurm_bin: str) -> bool:
    """Return True if this is a machine with a Slurm; its controller has five seconds to answer.

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


def _unsettled(job_id: str, found: dict[str, JobState]) -> bool:
    """Return True if squeue left a question: unknown, ended (how?), or an array with lost
    elements."""
    state = found.get(job_id)
    return state is None or state.phase in ("ended", "unknown")


def _covered(found: Collection[str]) -> set[str]:
    """Return the ids of the jobs of which something is known, an element of an array, say."""
    return {base_id(job) for job in found} | set(found)


def _ask_further(job_ids: Sequence[str], slurm_bin: str) -> list[JobState]:
    try:
        return sacct(job_ids, slurm_bin=slurm_bin)
    except AccountingOff:
        bases = sorted({base_id(job) for job in job_ids})
        return [state for base in bases for state in show_job(base, slurm_bin=slurm_bin)]


def _merge(found: dict[str, JobState], later: Iterable[JobState]) -> dict[str, JobState]:
    """Add what accounting knows of jobs that the controller forgot, and how others ended.

    Accounting lags behind: a job that ended a moment ago may still be RUNNING there, or its
    newest record may be of an earlier life.
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
    covered = _covered(answer)
    for job in wanted:
        if job not in covered:
            answer[job] = JobState(job_id=job, state=UNKNOWN)
    return answer
