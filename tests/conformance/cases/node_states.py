"""The states of nodes, and what their loss does to jobs. Each case has a cluster for itself."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import UNTIL_GO, Job, Slurm, until


def state_of(slurm: Slurm, node: str) -> str:
    return slurm.ok("sinfo", "-h", "-p", "debug", "-n", node, "-o", "%T")


def set_state(slurm: Slurm, node: str, state: str, *more: str) -> None:
    slurm.ok("scontrol", "update", f"nodename={node}", f"state={state}", *more)


def resume(slurm: Slurm, node: str) -> None:
    """Bring it back, where it has not come back by itself (ReturnToService)."""
    slurm.call("scontrol", "update", f"nodename={node}", "state=resume")
    until("it to be idle", lambda: state_of(slurm, node) == "idle")


def until_accounted_as_failed(slurm: Slurm, job: Job) -> None:
    """Wait for the record of its first run, which reaches the database after squeue's answer."""
    ask = ("sacct", "-D", "-X", "-n", "-P", "-j", job.id, "-o", "state")
    until(
        "accounting to know it",
        lambda: slurm.ok(*ask).startswith("NODE_FAIL"),
        60,
        lambda: slurm.ok(*ask),
    )


@case("state idle", "state mixed", "state allocated", "scontrol show-node", alone=True)
def nodes_are_idle_mixed_or_allocated(slurm: Slurm) -> None:
    node = slurm.nodes[0]

    def becomes(state: str) -> None:
        """By scontrol: sinfo of 22.05 may miss the first change after a start."""
        word = f"State={state}"
        until(word, lambda: word in slurm.ok("scontrol", "show", "node", node).split())

    becomes("IDLE")
    one = slurm.sbatch("-w", node, "--wrap=sleep 30").becomes("RUNNING")
    becomes("MIXED")
    two = slurm.sbatch("-w", node, "--wrap=sleep 30").becomes("RUNNING")
    becomes("ALLOCATED")
    for job in (one, two):
        job.cancel().end()
    becomes("IDLE")


@case(
    "state draining",
    "state drained",
    "reason ReqNodeNotAvail",
    "scontrol update-NodeState",
    "sinfo %E",
    alone=True,
)
def a_drained_node_ends_its_jobs_and_takes_no_more(slurm: Slurm) -> None:
    node = slurm.nodes[1]
    job = slurm.sbatch("-w", node, f"--wrap={UNTIL_GO}").becomes("RUNNING")
    set_state(slurm, node, "drain", "reason=being mended")
    try:
        assert state_of(slurm, node) == "draining"
        assert slurm.ok("sinfo", "-h", "-p", "debug", "-n", node, "-o", "%E") == "being mended"
        slurm.go()
        assert job.end() == "COMPLETED"
        until("it to be drained", lambda: state_of(slurm, node) == "drained")
        waiting = slurm.sbatch("-w", node, "--wrap=true")
        until("its reason", lambda: "ReqNodeNotAvail" in waiting.reason())
    finally:
        resume(slurm, node)
    assert waiting.end() == "COMPLETED"


@case("error bad-value", "scontrol update-NodeState", alone=True)
def draining_needs_a_reason(slurm: Slurm) -> None:
    done = slurm.call("scontrol", "update", f"nodename={slurm.nodes[0]}", "state=drain")
    assert done.code == 1
    assert "You must specify a reason when DOWNING or DRAINING a node" in done.err + done.out
    assert state_of(slurm, slurm.nodes[0]) == "idle"


@case("state NODE_FAIL", alone=True)
def a_node_set_down_loses_its_jobs(slurm: Slurm) -> None:
    node = slurm.nodes[2]
    job = slurm.sbatch("-w", node, "--no-requeue", "--wrap=sleep 100").becomes("RUNNING")
    set_state(slurm, node, "down", "reason=test")
    try:
        assert job.end() == "NODE_FAIL"  # the node itself may be back already (ReturnToService)
    finally:
        resume(slurm, node)


@case("state NODE_FAIL", "sbatch --requeue", "reason BeginTime", alone=True)
def a_job_of_a_node_set_down_is_requeued(slurm: Slurm) -> None:
    node = slurm.nodes[2]
    job = slurm.sbatch("-w", node, "--requeue", "--wrap=sleep 100").becomes("RUNNING")
    set_state(slurm, node, "down", "reason=test")
    try:
        until("it to wait", lambda: job.state() == "PENDING")
        until_accounted_as_failed(slurm, job)
    finally:
        job.cancel()
        resume(slurm, node)


@case("sbatch --no-kill", "state NODE_FAIL", alone=True)
def no_kill_keeps_the_rest_of_an_allocation(slurm: Slurm) -> None:
    script = "echo up; for i in {1..80}; do sleep 0.1; done; echo lived on"
    job = slurm.sbatch("-N2", "-w", slurm.hosts(1, 2), "--no-kill", script=script).says("up")
    set_state(slurm, slurm.nodes[1], "down", "reason=test")
    try:
        assert job.end() == "COMPLETED"
        assert "lived on" in job.output()
    finally:
        resume(slurm, slurm.nodes[1])


@case("state NODE_FAIL", alone=True)
def without_no_kill_a_lost_node_ends_the_whole_allocation(slurm: Slurm) -> None:
    job = slurm.sbatch("-N2", "-w", slurm.hosts(1, 2), "--no-requeue", "--wrap=sleep 100")
    job.becomes("RUNNING")
    set_state(slurm, slurm.nodes[1], "down", "reason=test")
    try:
        assert job.end() == "NODE_FAIL"
    finally:
        resume(slurm, slurm.nodes[1])


@case("state NODE_FAIL", "state down", "reason NodeDown", breaks=True)
def a_node_that_dies_is_noticed_and_its_job_requeued(slurm: Slurm) -> None:
    node = slurm.nodes[3]
    job = slurm.sbatch("-w", node, "--requeue", "--wrap=sleep 300").becomes("RUNNING")
    slurm.faults.kill_node(node)
    until("it to be requeued", lambda: job.state() == "PENDING")
    until("it to be down", lambda: state_of(slurm, node).startswith("down"))
    until_accounted_as_failed(slurm, job)
    job.cancel()
    slurm.faults.start_node(node)
    until("it to be back", lambda: state_of(slurm, node) == "idle")


@case("error controller-down", breaks=True)
def jobs_go_on_while_the_controller_is_away(slurm: Slurm) -> None:
    job = slurm.sbatch("--wrap=echo up; sleep 2; echo done").says("up")
    slurm.faults.stop_controller()
    job.says("done")
    slurm.faults.start_controller()
    assert job.end(90) == "COMPLETED"
