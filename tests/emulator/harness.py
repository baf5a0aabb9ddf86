"""The state machine with a simulated clock and simulated processes."""

from __future__ import annotations

import dataclasses
from typing import Any

from hpckit.emulator.config import ClusterConfig, PartitionConfig
from hpckit.emulator.core import effects, running, tick
from hpckit.emulator.core.machine import Machine
from hpckit.emulator.core.model import FINAL, Job, Request

CONFIG = ClusterConfig(
    name="t", node_prefix="n", kill_wait_s=30, requeue_delay_s=120, slurmd_timeout_s=5, gpus=2,
    partitions=(
        PartitionConfig(name="main", default=True, default_time_min=60),
        PartitionConfig(name="short", max_time_min=2),
        PartitionConfig(name="low", priority_tier=0, grace_s=10),
        PartitionConfig(name="high", priority_tier=9),
    ),
)  # fmt: skip
REQUEST = Request(name="job", user="me", uid=1000, gid=1000)


class SimulatedCluster:
    """A state machine, its clock, and the steps whose processes are alive."""

    def __init__(self, config: ClusterConfig = CONFIG) -> None:
        self.machine = Machine(config)
        self.now = 1000.0
        self.alive: set[tuple[int, int, str, str]] = set()
        self.sent_signals: list[effects.Signal] = []
        self.forgotten: set[int] = set()  # ended jobs that the machine no longer lists
        self.ended: set[int] = set()
        self.ignores_term = False  # True if processes survive TERM

    def submit(self, array: tuple[list[int], int] | None = None, **changes: Any) -> Job:
        """Submit a job whose request has these changes."""
        hold = changes.pop("hold", False)
        request = dataclasses.replace(REQUEST, **changes)
        job = self.machine.submit(request, self.now, array=array, hold=hold)
        self.settle()
        return job

    def settle(self) -> None:
        """Let the machine do what is due, and apply its effects."""
        while True:
            self.ended |= {j.job_id for j in self.machine.jobs.values() if j.state in FINAL}
            tick.advance(self.machine, self.now)
            self.forgotten |= self.ended - self.machine.jobs.keys()
            todo = self.machine.take_effects()
            if not todo:
                return
            for effect in todo:
                self._apply_effect(effect)

    def _apply_effect(self, effect: effects.Effect) -> None:
        if isinstance(effect, effects.Launch):
            key = (effect.job_id, effect.restart, effect.step_id, effect.node)
            if self.machine.nodes[effect.node].dead:
                return
            assert key not in self.alive
            self.alive.add(key)
        elif isinstance(effect, effects.Signal):
            self.sent_signals.append(effect)
            key = (effect.job_id, effect.restart, effect.step_id, effect.node)
            fatal = 9 in effect.signals or (15 in effect.signals and not self.ignores_term)
            if fatal and key in self.alive:
                self.end(key, signal=effect.signals[-1])
        elif isinstance(effect, effects.KillStep):
            self.alive.discard((effect.job_id, effect.restart, effect.step_id, effect.node))

    def end(self, key: tuple[int, int, str, str], code: int = 0, signal: int = 0) -> None:
        """End a step's processes on one node."""
        self.alive.discard(key)
        job = self.machine.jobs[key[0]]
        step = job.steps[key[2]]
        tasks = step.tasks[step.nodes.index(key[3])]
        report = {"status": {str(t): [code, signal] for t in tasks}}
        running.step_node_over(self.machine, *key, report, self.now)

    def finish(self, job: Job, code: int = 0, signal: int = 0) -> None:
        """End a job's batch script."""
        self.end((job.job_id, job.restarts, "batch", job.nodes[0]), code, signal)
        self.settle()

    def wait(self, seconds: float) -> None:
        """Let time pass, stopping at each deadline as the daemon does."""
        end = self.now + seconds
        while (due := tick.deadline(self.machine, self.now)) is not None and due <= end:
            self.now = max(due, self.now)
            self.settle()
            if tick.deadline(self.machine, self.now) == due:
                break
        self.now = end
        self.settle()

    def check(self) -> None:
        """Assert the invariants."""
        machine = self.machine
        used = dict.fromkeys(machine.nodes, 0)
        memory = dict.fromkeys(machine.nodes, 0)
        gpus: dict[str, list[int]] = {name: [] for name in machine.nodes}
        for job in machine.jobs.values():
            self._check_step_gpus(job)
            places = [job.job_id in machine.queue, job.job_id in machine.active, job.state in FINAL]
            assert sum(places) == 1, f"{job.job_id} is in {places}: {job.state}"
            if job.job_id in machine.active:
                for share in job.shares:
                    used[share.node] += share.cpus
                    memory[share.node] += share.memory_mib
                    gpus[share.node] += share.gpus
            if job.state in FINAL:
                assert job.end is not None
                assert not any(step.live for step in job.steps.values())
        for name, node in machine.nodes.items():
            assert used[name] == node.used_cpus <= node.cpus
            assert memory[name] == node.used_memory_mib <= node.memory_mib
            assert sorted(gpus[name]) == sorted(set(gpus[name])) == list(node.used_gpus)
            assert {i for i in node.jobs} <= machine.active
        for key in self.alive:
            assert key[0] in machine.active, f"{key} lives on without its job"

    def _check_step_gpus(self, job: Job) -> None:
        """Assert that steps have only GPUs of their job, and share none unless they overlap."""
        for share in job.shares:
            given: list[int] = []
            for step in job.steps.values():
                if step.gpu_ids and share.node in step.live:
                    mine = step.gpu_ids[step.nodes.index(share.node)]
                    assert set(mine) <= set(share.gpus)
                    given += [] if step.overlap else mine
            assert len(given) == len(set(given)), f"{job.job_id} gives {given} on {share.node}"
