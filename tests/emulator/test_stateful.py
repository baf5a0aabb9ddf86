"""The state machine under random work and faults: what must hold always holds.

No core is given twice, no job is lost or in two states, every end is accounted, and nothing
runs without its job.
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, multiple, rule

from hpckit.emulator.core import admin, running, steps
from hpckit.emulator.core.model import FINAL, StepRequest
from hpckit.emulator.core.refusal import Refusal

from .harness import SimulatedCluster


class EmulatedSlurm(RuleBasedStateMachine):
    """Random submissions, ends, cancellations, requeues, holds, node failures and time."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.simulated = SimulatedCluster()
        self.submitted: set[int] = set()

    @rule(
        target=jobs, nodes=st.integers(1, 4), cpus=st.integers(1, 2), limit=st.integers(1, 5),
        partition=st.sampled_from(["main", "low", "high"]), exclusive=st.booleans(),
        requeue=st.booleans(), no_kill=st.booleans(), memory=st.sampled_from([-1, 0, 100, 4000]),
        gpus=st.sampled_from([0, 0, 1, 2]),
    )  # fmt: skip
    def submit(self, *, nodes: int, cpus: int, limit: int, partition: str, exclusive: bool,
               requeue: bool, no_kill: bool, memory: int, gpus: int) -> int:  # fmt: skip
        job = self.simulated.submit(
            min_nodes=nodes, cpus_per_task=cpus, time_limit_min=limit, partitions=(partition,),
            exclusive=exclusive, requeue=requeue, no_kill=no_kill, mem_per_node_mib=memory,
            gpus_per_node=gpus,
        )  # fmt: skip
        self.submitted.add(job.job_id)
        return job.job_id

    @rule(target=jobs, count=st.integers(1, 6), throttle=st.integers(0, 2))
    def submit_array(self, count: int, throttle: int) -> int:
        job = self.simulated.submit(array=(list(range(count)), throttle), time_limit_min=2)
        self.submitted.add(job.job_id)
        return job.job_id

    @rule(target=jobs, other=jobs, kind=st.sampled_from(["afterok", "afterany", "afternotok"]))
    def submit_dependent(self, other: int, kind: str) -> object:
        if other not in self.simulated.machine.jobs:
            return multiple()
        job = self.simulated.submit(dependency=f"{kind}:{other}")
        self.submitted.add(job.job_id)
        return job.job_id

    @rule(data=st.data(), code=st.sampled_from([0, 0, 1]), signal=st.sampled_from([0, 0, 9]))
    def some_process_ends(self, data: st.DataObject, code: int, signal: int) -> None:
        if self.simulated.alive:
            key = data.draw(st.sampled_from(sorted(self.simulated.alive)))
            self.simulated.end(key, code, signal)
            self.simulated.settle()

    @rule(job=jobs, signal=st.sampled_from([0, 9, 10, 15]))
    def cancel(self, job: int, signal: int) -> None:
        message = {"jobs": [str(job)], "signal": signal, "uid": 0}
        admin.cancel(self.simulated.machine, message, self.simulated.now)
        self.simulated.settle()

    @rule(job=jobs, what=st.sampled_from(["requeue", "hold", "release"]))
    def change(self, job: int, what: str) -> None:
        try:
            admin.change(
                self.simulated.machine, {"what": what, "target": str(job)}, self.simulated.now
            )
        except Refusal:
            return
        finally:
            self.simulated.settle()

    @rule(job=jobs, overlap=st.booleans(), exact=st.booleans(), gpus=st.integers(-1, 2))
    def step(self, job: int, overlap: bool, exact: bool, gpus: int) -> None:
        found = self.simulated.machine.jobs.get(job)
        if found is None:
            return
        request = StepRequest(name="s", overlap=overlap, exact=exact, gpus_per_node=gpus)
        try:
            steps.create(self.simulated.machine, found, request, self.simulated.now)
        except Refusal:
            return
        self.simulated.settle()

    @rule(node=st.integers(1, 4))
    def node_dies(self, node: int) -> None:
        running.node_died(self.simulated.machine, f"n{node}", self.simulated.now)
        self.simulated.settle()

    @rule(node=st.integers(1, 4), state=st.sampled_from(["RESUME", "DRAIN"]))
    def node_changes(self, node: int, state: str) -> None:
        values = {"state": state, "reason": "test"}
        change = {"what": "node_update", "target": f"n{node}", "values": values}
        admin.change(self.simulated.machine, change, self.simulated.now)
        self.simulated.settle()

    @rule(seconds=st.sampled_from([1, 10, 40, 130, 400]), ignores_term=st.booleans())
    def time_passes(self, seconds: int, ignores_term: bool) -> None:
        self.simulated.ignores_term = ignores_term
        self.simulated.wait(seconds)

    @invariant()
    def everything_adds_up(self) -> None:
        self.simulated.check()

    @invariant()
    def no_job_is_lost(self) -> None:
        machine = self.simulated.machine
        for job_id in self.submitted - machine.jobs.keys():
            assert job_id in self.simulated.forgotten, f"{job_id} vanished without an end"

    def teardown(self) -> None:
        """In the end, with all nodes up and no holds, everything comes to its end."""
        simulated = self.simulated
        simulated.ignores_term = False
        for node in simulated.machine.nodes:
            values = {"state": "RESUME"}
            change = {"what": "node_update", "target": node, "values": values}
            admin.change(simulated.machine, change, simulated.now)
        for job_id in sorted(simulated.machine.jobs):
            message = {"jobs": [str(job_id)], "signal": 0, "uid": 0}
            admin.cancel(simulated.machine, message, simulated.now)
            simulated.settle()
        simulated.wait(60)
        left = [j.job_id for j in simulated.machine.jobs.values() if j.state not in FINAL]
        assert not left, f"{left} never end"
        assert not simulated.alive
        simulated.check()


EmulatedSlurm.TestCase.settings = settings(
    max_examples=40, stateful_step_count=25, report_multiple_bugs=False, deadline=None,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
TestEmulatedSlurm = EmulatedSlurm.TestCase
