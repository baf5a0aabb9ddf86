"""The state machine by itself: what starts when, and what becomes of it."""

from __future__ import annotations

import pytest

from hpckit.emulator.core import admin, running, steps, tick
from hpckit.emulator.core.model import StepRequest
from hpckit.emulator.core.refusal import Refusal

from .harness import SimulatedCluster


@pytest.fixture
def simulated() -> SimulatedCluster:
    return SimulatedCluster()


def test_jobs_start_in_order_of_submission(simulated: SimulatedCluster) -> None:
    first = [simulated.submit(exclusive=True) for _ in range(4)]
    later = simulated.submit()
    assert [job.nodes for job in first] == [["n1"], ["n2"], ["n3"], ["n4"]]
    assert (later.state, later.reason) == ("PENDING", "Resources")
    simulated.finish(first[2])
    assert later.nodes == ["n3"]
    simulated.check()


def test_a_later_job_goes_ahead_only_when_it_delays_nobody(simulated: SimulatedCluster) -> None:
    simulated.submit(min_nodes=3, exclusive=True, time_limit_min=10)
    big = simulated.submit(min_nodes=4, exclusive=True, time_limit_min=10)
    quick = simulated.submit(time_limit_min=5)
    slow = simulated.submit(time_limit_min=60)
    assert (big.state, big.reason) == ("PENDING", "Resources")
    assert quick.state == "RUNNING"
    assert (slow.state, slow.reason) == ("PENDING", "Priority")


def test_a_time_limit_ends_with_term_and_then_kill(simulated: SimulatedCluster) -> None:
    simulated.ignores_term = True
    job = simulated.submit(time_limit_min=1)
    simulated.wait(61)
    assert job.state == "COMPLETING"
    assert [s.signals for s in simulated.sent_signals] == [(18, 15)]
    simulated.wait(30)
    assert job.state == "TIMEOUT"
    assert simulated.sent_signals[-1].signals == (9,)
    simulated.check()


@pytest.mark.parametrize(("batch", "steps_heard"), [(True, ["batch"]), (False, ["0"])])
def test_the_warning_reaches_shell_or_steps(
    simulated: SimulatedCluster, batch: bool, steps_heard: list[str]
) -> None:
    job = simulated.submit(time_limit_min=2, warn_signal=12, warn_lead_s=30, warn_batch=batch)
    steps.create(simulated.machine, job, StepRequest(name="s"), simulated.now)
    simulated.settle()
    simulated.wait(89)
    assert not simulated.sent_signals
    simulated.wait(2)
    assert [(s.step_id, s.signals) for s in simulated.sent_signals] == [
        (i, (18, 12)) for i in steps_heard
    ]


def test_preemption_warns_the_steps_and_requeues_after_the_grace_time(
    simulated: SimulatedCluster,
) -> None:
    simulated.ignores_term = True
    low = simulated.submit(partitions=("low",), min_nodes=4, exclusive=True)
    steps.create(simulated.machine, low, StepRequest(name="s", min_nodes=4), simulated.now)
    simulated.settle()
    high = simulated.submit(partitions=("high",), exclusive=True)
    assert {(s.step_id, s.signals) for s in simulated.sent_signals} == {("0", (18, 15))}
    simulated.wait(10)
    assert low.state == "COMPLETING"
    simulated.wait(30)
    assert high.state == "RUNNING"
    assert (low.state, low.reason, low.restarts) == ("PENDING", "BeginTime", 1)
    assert simulated.machine.retired[-1]["state"] == "PREEMPTED"
    simulated.finish(high)
    simulated.wait(121)
    assert low.state == "RUNNING"
    simulated.check()


def test_a_lost_node_requeues_its_jobs(simulated: SimulatedCluster) -> None:
    job = simulated.submit(min_nodes=2, exclusive=True)
    running.node_died(simulated.machine, "n2", simulated.now)
    simulated.settle()
    assert job.state == "RUNNING"  # nobody has noticed yet
    simulated.wait(6)
    assert (job.state, job.restarts) == ("PENDING", 1)
    assert simulated.machine.nodes["n2"].state == "down"
    simulated.check()


def test_no_kill_keeps_a_job_that_loses_another_node(simulated: SimulatedCluster) -> None:
    job = simulated.submit(min_nodes=2, exclusive=True, no_kill=True)
    running.node_died(simulated.machine, "n2", simulated.now)
    simulated.wait(6)
    assert job.state == "RUNNING"
    running.node_died(simulated.machine, "n1", simulated.now)
    simulated.wait(6)
    assert job.state == "PENDING"


def test_the_array_record_becomes_its_last_task(simulated: SimulatedCluster) -> None:
    record = simulated.submit(array=([0, 1, 2], 0), min_nodes=1)
    ids = {job.array_task_id: job.job_id for job in simulated.machine.jobs_of(record.job_id)}
    assert ids == {0: 2, 1: 3, 2: 1}


def test_an_array_keeps_its_throttle(simulated: SimulatedCluster) -> None:
    record = simulated.submit(array=(list(range(6)), 2))
    assert len(simulated.machine.active) == 2
    assert record.reason == "JobArrayTaskLimit"
    simulated.finish(simulated.machine.jobs_of(record.job_id)[0])
    assert len(simulated.machine.active) == 2
    assert record.waiting == [3, 4, 5]


@pytest.mark.parametrize(
    ("kind", "code", "verdict"),
    [("afterok", 0, ""), ("afterok", 1, "DependencyNeverSatisfied"), ("afterany", 1, ""),
     ("afternotok", 1, ""), ("afternotok", 0, "DependencyNeverSatisfied")],
)  # fmt: skip
def test_dependencies(simulated: SimulatedCluster, kind: str, code: int, verdict: str) -> None:
    first = simulated.submit()
    second = simulated.submit(dependency=f"{kind}:{first.job_id}")
    assert second.reason == "Dependency"
    simulated.finish(first, code)
    assert second.reason == verdict if verdict else second.state == "RUNNING"


def test_singleton_waits_for_jobs_of_its_name(simulated: SimulatedCluster) -> None:
    first = simulated.submit(name="one")
    second = simulated.submit(name="one", dependency="singleton")
    other = simulated.submit(name="two", dependency="singleton")
    assert [j.state for j in (first, second, other)] == ["RUNNING", "PENDING", "RUNNING"]
    simulated.finish(first)
    assert second.state == "RUNNING"


def test_a_held_job_waits_for_its_release(simulated: SimulatedCluster) -> None:
    job = simulated.submit(hold=True)
    assert (job.state, job.reason, job.priority) == ("PENDING", "JobHeldUser", 0)
    admin.change(simulated.machine, {"what": "release", "target": "1"}, simulated.now)
    simulated.settle()
    assert job.state == "RUNNING"


def test_begin_is_kept_to_the_second(simulated: SimulatedCluster) -> None:
    job = simulated.submit(begin=simulated.now + 90)
    assert tick.deadline(simulated.machine, simulated.now) == simulated.now + 90
    simulated.wait(89)
    assert (job.state, job.reason) == ("PENDING", "BeginTime")
    simulated.wait(1)
    assert job.state == "RUNNING"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"partitions": ("short",), "time_limit_min": 3}, "PartitionTimeLimit"),
     ({"min_nodes": 9}, "PartitionConfig"), ({"ntasks": 99}, "PartitionConfig")],
)  # fmt: skip
def test_what_a_partition_does_not_allow_waits(
    simulated: SimulatedCluster, changes: dict[str, object], reason: str
) -> None:
    assert simulated.submit(**changes).reason == reason


@pytest.mark.parametrize(
    "changes",
    [{"cpus_per_task": 3}, {"mem_per_node_mib": 4001}, {"gpus_per_node": 3},
     {"features": ("fast",)}, {"partitions": ("none",)}, {"nodelist": ("x",)}],
)  # fmt: skip
def test_what_no_node_has_is_refused(
    simulated: SimulatedCluster, changes: dict[str, object]
) -> None:
    with pytest.raises(Refusal):
        simulated.submit(**changes)


def test_a_drained_node_finishes_its_jobs_and_takes_no_more(simulated: SimulatedCluster) -> None:
    job = simulated.submit(nodelist=("n1",))
    values = {"state": "DRAIN", "reason": "test"}
    drain = {"what": "node_update", "target": "n1", "values": values}
    admin.change(simulated.machine, drain, simulated.now)
    later = simulated.submit(nodelist=("n1",))
    assert simulated.machine.nodes["n1"].state == "draining"
    assert later.state == "PENDING"
    assert later.reason == "ReqNodeNotAvail, UnavailableNodes:n1"
    simulated.finish(job)
    assert simulated.machine.nodes["n1"].state == "drained"


def test_steps_wait_while_the_jobs_cpus_are_busy(simulated: SimulatedCluster) -> None:
    job = simulated.submit(ntasks=2)
    one = steps.create(simulated.machine, job, StepRequest(name="a", ntasks=2), simulated.now)
    simulated.settle()
    with pytest.raises(Refusal, match="busy"):
        steps.create(simulated.machine, job, StepRequest(name="b", ntasks=1), simulated.now)
    steps.create(simulated.machine, job, StepRequest(name="c", overlap=True), simulated.now)
    simulated.settle()
    simulated.end((job.job_id, 0, one.step_id, "n1"))
    steps.create(simulated.machine, job, StepRequest(name="d", ntasks=1), simulated.now)
    with pytest.raises(Refusal, match="More processors"):
        steps.create(simulated.machine, job, StepRequest(name="e", ntasks=3), simulated.now)


def test_steps_share_out_the_gpus_of_their_job(simulated: SimulatedCluster) -> None:
    job = simulated.submit(ntasks=2, gpus_per_node=2)

    def step(**wanted: int) -> list[list[int]]:
        request = StepRequest(name="s", ntasks=1, exact=True, **wanted)
        made = steps.create(simulated.machine, job, request, simulated.now)
        simulated.settle()
        return made.gpu_ids

    assert step(gpus_per_node=1) == [[0]]
    with pytest.raises(Refusal, match="busy"):
        step(gpus=2)
    with pytest.raises(Refusal, match=r"gres_per_node=gpu:3 is more than .* gres_per_node=gpu:2"):
        step(gpus_per_node=3)
    assert step(gpus_per_node=1) == [[1]]
    simulated.end((job.job_id, 0, "0", "n1"))
    assert step(gpus_per_task=1) == [[0]]


def test_a_recovered_machine_knows_what_the_first_one_knew(simulated: SimulatedCluster) -> None:
    from hpckit.emulator.core.machine import Machine
    from hpckit.emulator.core.model import to_json

    simulated.submit(array=([0, 1, 2, 5], 2))
    simulated.submit(min_nodes=2, dependency="afterok:1")
    records = [to_json(job) for job in simulated.machine.jobs.values()]
    again = Machine(simulated.machine.config)
    again.restore(records, 4)
    assert [to_json(job) for job in again.jobs.values()] == records
    assert again.active == simulated.machine.active
    assert [n.used_cpus for n in again.nodes.values()] == [2, 0, 0, 0]


def test_finished_jobs_are_forgotten_in_time(simulated: SimulatedCluster) -> None:
    job = simulated.submit()
    simulated.finish(job)
    simulated.wait(299)
    assert job.job_id in simulated.machine.jobs
    simulated.wait(2)
    assert not simulated.machine.jobs
    assert tick.deadline(simulated.machine, simulated.now) is None
