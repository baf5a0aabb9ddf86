"""Recover a run in a new head: fence the head before it, and find out what is done."""

from __future__ import annotations

import os
import secrets
import time
from dataclasses import dataclass
from typing import Any

from hpckit.common.log import say
from hpckit.head.task_scheduler import TaskScheduler, credit_spools, failures_unseen
from hpckit.model.plan import Plan
from hpckit.run.address import Address, publish_address
from hpckit.run.jobs import HEAD_ROLES, read_jobs
from hpckit.run.journal import FencedError, JournalWriter, load_state, open_journal
from hpckit.run.node_address import candidate_addresses
from hpckit.run.output import OutputWriter
from hpckit.run.resume_request import read_request, tasks_again
from hpckit.run.rundir import RunDir
from hpckit.run.spool import read_spools
from hpckit.run.tasks import read_tasks


@dataclass(frozen=True)
class HeadIdentity:
    """This head: the nonce of its incarnation, and where it runs."""

    nonce: str
    job_id: str
    node: str
    pid: int
    hosts: tuple[str, ...]  # candidate addresses, best first


@dataclass(frozen=True)
class RecoveredRun:
    """The parts of a run that a head holds after recovery."""

    journal: JournalWriter
    output: OutputWriter
    task_scheduler: TaskScheduler

    def close(self) -> None:
        """Close the files; idempotent."""
        self.journal.close()
        self.output.close()


def head_identity(plan: Plan) -> HeadIdentity:
    """Return what this process's environment says of it, with a new nonce.

    Raises:
        EngineError: this node has no address that other nodes could reach.
    """
    return HeadIdentity(
        nonce=secrets.token_hex(8),
        job_id=os.environ.get("SLURM_JOB_ID", ""),
        node=os.environ.get("SLURMD_NODENAME", os.uname().nodename),
        pid=os.getpid(),
        hosts=tuple(candidate_addresses(plan)),
    )


def recover_run(run_dir: RunDir, plan: Plan, identity: HeadIdentity) -> RecoveredRun:
    """Fence the head before, replay what it wrote, credit what the spools hold.

    Raises:
        FencedError: a newer job of the run carries its head: this one was requeued, say, after
            somebody had resumed the run.
        StorageError: the run directory cannot be read or written.
    """
    heads = [job.job_id for job in read_jobs(run_dir) if job.role in HEAD_ROLES]
    if identity.job_id in heads[:-1]:
        raise FencedError(f"job {heads[-1]} carries the head of {plan.run} now; this one leaves")
    state = load_state(run_dir, plan.tasks)
    request = read_request(run_dir, state)
    again = tasks_again(request, state)
    if request and request.failed:
        again |= failures_unseen(state, read_spools(run_dir))
    del state  # a million tasks fill half a gigabyte: one state at a time
    journal = open_journal(
        run_dir,
        run=plan.run,
        nonce=identity.nonce,
        job_id=identity.job_id,
        node=identity.node,
        pid=identity.pid,
        t=time.time(),
        resume=request.id if request else "",
        again=sorted(again),
    )
    number = journal.incarnation
    state = load_state(run_dir, plan.tasks)  # again: nothing can be added before it now
    output = OutputWriter(run_dir, number)
    credited = credit_spools(
        plan, state, read_spools(run_dir), incarnation=number, store=output.append, now=time.time()
    )
    if events := list(credited):
        output.sync()
        journal.append(*events)
    say(
        f"head {number} of run {plan.run}: {state.done} done, {state.failed} failed, "
        f"{state.left} to do" + (f", {len(again)} of them again" if again else "")
    )
    task_scheduler = TaskScheduler(plan, state, read_tasks(run_dir), number, output.append)
    return RecoveredRun(journal, output, task_scheduler)


def publish_head(
    run_dir: RunDir,
    plan: Plan,
    identity: HeadIdentity,
    incarnation: int,
    port: int,
    engine: dict[str, Any],
) -> None:
    """Publish the address: workers join at `port`, and `engine` is what they need.

    Raises:
        StorageError: the run directory cannot be written.
    """
    address = Address(
        run=plan.run,
        backend=plan.backend,
        incarnation=incarnation,
        **vars(identity),
        worker_port=port,
        engine=engine,
    )
    publish_address(run_dir, address)
    say(f"listening for workers at {identity.hosts[0]} port {port}")
