"""The data of the state machine: nodes, jobs, their steps, and the request of each.

States and their meaning: squeue(1) *JOB STATE CODES*, sacct(1) *JOB STATE CODES*.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

PENDING, RUNNING, COMPLETING = "PENDING", "RUNNING", "COMPLETING"
COMPLETED, CANCELLED, FAILED = "COMPLETED", "CANCELLED", "FAILED"
TIMEOUT, NODE_FAIL, PREEMPTED = "TIMEOUT", "NODE_FAIL", "PREEMPTED"
OUT_OF_MEMORY, REQUEUED = "OUT_OF_MEMORY", "REQUEUED"
FINAL = frozenset({COMPLETED, CANCELLED, FAILED, TIMEOUT, NODE_FAIL, PREEMPTED, OUT_OF_MEMORY})
SHORT_STATE = {
    PENDING: "PD", RUNNING: "R", COMPLETING: "CG", COMPLETED: "CD", CANCELLED: "CA",
    FAILED: "F", TIMEOUT: "TO", NODE_FAIL: "NF", PREEMPTED: "PR", OUT_OF_MEMORY: "OOM",
    REQUEUED: "RQ", "CONFIGURING": "CF", "SUSPENDED": "S", "BOOT_FAIL": "BF", "DEADLINE": "DL",
}  # fmt: skip
BATCH = "batch"
OOM_EXIT = (0, 125)  # Slurm's exit status of a job that ran out of memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The checked request of a job. Times in seconds or minutes, memory in MiB."""

    name: str
    user: str
    uid: int
    gid: int
    submit_host: str = ""
    partitions: tuple[str, ...] = ()
    account: str = ""
    qos: str = ""
    comment: str = ""
    nice: int = 0
    wckey: str = ""
    hint: str = ""  # shown only: CPUs have one thread
    min_nodes: int = 1
    max_nodes: int = 0  # 0: no limit
    ntasks: int = 0  # 0: not asked for
    ntasks_per_node: int = 0
    cpus_per_task: int = 0
    mem_per_node_mib: int = -1  # -1: not asked for; 0: all of the node's
    mem_per_cpu_mib: int = -1
    gpus: int = 0
    gpus_per_node: int = 0
    gpus_by_node: bool = False  # asked for with --gpus-per-node, not --gres
    gpus_per_task: int = 0
    exclusive: bool = False
    nodelist: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    time_limit_min: int = 0  # 0: the partition's default; -1: none
    requeue: bool = True
    no_kill: bool = False
    begin: float = 0.0
    dependency: str = ""
    kill_invalid_dependency: bool = False
    warn_signal: int = 0
    warn_lead_s: int = 0
    warn_batch: bool = False
    work_dir: str = "/"
    submit_dir: str = "/"
    submit_line: str = ""
    command: str = ""
    arguments: tuple[str, ...] = ()
    stdin: str = "/dev/null"
    stdout: str = ""
    stderr: str = ""
    open_mode: str = ""
    export: str = ""
    spool: str = ""  # the directory of the script and its environment
    interactive: bool = False  # an allocation of srun's own, without a script


@dataclass(slots=True)
class Node:
    """One virtual node, and which part of it is allocated."""

    name: str
    address: str
    cpus: int
    memory_mib: int
    gpus: int = 0
    features: tuple[str, ...] = ()
    dead: bool = False  # has no power; the controller may not know yet
    down: bool = False
    drain: bool = False
    reason: str = ""
    reason_at: float = 0.0
    used_cpus: int = 0
    used_memory_mib: int = 0
    used_gpus: tuple[int, ...] = ()
    jobs: set[int] = field(default_factory=set)
    exclusive: bool = False

    @property
    def state(self) -> str:
        """State as sinfo shows it: idle, mixed, allocated, drained, draining, down."""
        if self.down:
            return "down"
        if self.drain:
            return "draining" if self.jobs else "drained"
        if not self.jobs:
            return "idle"
        return "allocated" if self.exclusive or self.used_cpus >= self.cpus else "mixed"

    @property
    def usable(self) -> bool:
        """True if new work may start here."""
        return not (self.down or self.drain or self.dead)


@dataclass(slots=True)
class Share:
    """The share of one node that one job holds."""

    node: str
    cpus: int
    memory_mib: int
    tasks: int = 1
    gpus: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRequest:
    """The part of its job's nodes that one srun asks for."""

    name: str
    ntasks: int = 0
    min_nodes: int = 0
    max_nodes: int = 0
    ntasks_per_node: int = 0
    cpus_per_task: int = 0
    memory_mib: int = -1
    gpus: int = -1  # over all nodes; -1: not asked for
    gpus_per_node: int = -1
    gpus_per_task: int = 0
    nodelist: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    distribution: str = ""
    overlap: bool = False
    exact: bool = False
    overcommit: bool = False
    kill_on_bad_exit: bool = False
    no_kill: bool = False
    wait_s: int = 0


@dataclass(slots=True)
class Step:
    """One step of a job: the batch script, or what one srun started.

    Attributes:
        tasks: global task ids per node, in the order of `nodes`.
        live: nodes on which its processes run, or may run.
        gpu_ids: indices of the GPUs that it has, per node.
        status: exit code and signal per task id.
        max_rss_kib, user_s, system_s: memory and CPU time of its processes.
    """

    step_id: str
    name: str
    nodes: list[str]
    tasks: list[list[int]]
    cpus: list[int]
    start: float
    memory_mib: int = 0
    cpus_per_task: int = 1
    distribution: str = "block"
    gpu_ids: list[list[int]] = field(default_factory=list)  # per node
    gpus_per_task: int = 0  # 0: every task sees all of the step's
    overlap: bool = False
    kill_on_bad_exit: bool = False
    no_kill: bool = False
    wait_s: int = 0
    live: list[str] = field(default_factory=list)
    state: str = RUNNING
    end: float | None = None
    status: dict[str, list[int]] = field(default_factory=dict)
    cancelled: bool = False
    forced: bool = False  # ended by --kill-on-bad-exit, or by scancel of the step
    wait_until: float | None = None  # --wait: when the remaining tasks are killed
    notices: list[list[str]] = field(default_factory=list)  # messages for srun to print
    kill_at: float | None = None
    max_rss_kib: int = 0
    max_rss_node: str = ""
    max_rss_task: int = 0
    user_s: float = 0.0
    system_s: float = 0.0

    def task_count(self) -> int:
        """Return the number of tasks."""
        return sum(len(tasks) for tasks in self.tasks)

    def exit_status(self) -> tuple[int, int]:
        """Return the worst ``(code, signal)`` of its tasks, signals before codes."""
        worst = (0, 0)
        for code, signo in self.status.values():
            if (signo, code) > (worst[1], worst[0]):
                worst = (code, signo)
        return worst


@dataclass(slots=True)
class Job:
    """One job: a single one, one task of an array, or the pending tasks of an array.

    Attributes:
        waiting: indices of an array's tasks that have not started.
        ending: the final state that follows COMPLETING.
        hold: "" or the reason of a hold (``JobHeldUser``, ``JobHeldAdmin``).
        not_before: a requeued job's BeginTime.
        restarts: how often it was requeued; also the number of its incarnation.
    """

    job_id: int
    request: Request
    submit: float
    array_job_id: int = 0
    array_task_id: int = -1
    array_limit: int = 0
    waiting: list[int] = field(default_factory=list)
    array_all: tuple[int, int, int, int] = (0, 0, 0, 0)  # count, min, max, step
    state: str = PENDING
    ending: str = ""
    reason: str = "None"
    priority: int = 0
    hold: str = ""
    not_before: float = 0.0
    eligible: float | None = None
    start: float | None = None
    end: float | None = None
    partition: str = ""
    time_limit_min: int = -1
    shares: list[Share] = field(default_factory=list)
    lost_nodes: list[str] = field(default_factory=list)
    steps: dict[str, Step] = field(default_factory=dict)
    next_step: int = 0
    restarts: int = 0
    requeue_after: bool = False
    hold_after: bool = False
    warned: bool = False
    preempt_at: float | None = None
    kill_at: float | None = None
    killed: bool = False
    exit_status: tuple[int, int] = (0, 0)
    derived_status: tuple[int, int] = (0, 0)
    cancelled_by: int = -1
    dependency_failed: bool = False
    dependency: str = ""
    oom: bool = False

    @property
    def is_array(self) -> bool:
        """True if the job belongs to an array."""
        return self.array_job_id != 0

    @property
    def nodes(self) -> list[str]:
        """Names of its nodes, in order."""
        return [share.node for share in self.shares]

    @property
    def end_by(self) -> float | None:
        """Time at which its time limit ends it; None while it waits or has no limit."""
        if self.start is None or self.time_limit_min < 0:
            return None
        return self.start + 60 * self.time_limit_min

    def label(self) -> str:
        """Return ``7`` or ``7_3``; the pending tasks of an array are ``7``."""
        if self.array_job_id and self.array_task_id >= 0:
            return f"{self.array_job_id}_{self.array_task_id}"
        return str(self.job_id)

    def share_of(self, node: str) -> Share:
        """Return its share of one node."""
        return next(share for share in self.shares if share.node == node)


def to_json(thing: Any) -> Any:
    """Return plain data of a record of this module."""
    if isinstance(thing, (Request, Share, Step, Job, Node)):
        return {f.name: to_json(getattr(thing, f.name)) for f in fields(thing)}
    if isinstance(thing, dict):
        return {key: to_json(value) for key, value in thing.items()}
    if isinstance(thing, (list, tuple)):
        return [to_json(value) for value in thing]
    if isinstance(thing, set):
        return sorted(thing)
    return thing


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TUPLES = _words(
    "partitions nodelist exclude features arguments array_all exit_status derived_status "
    "gpus used_gpus"
)


def _plain(kind: Any, data: dict[str, Any]) -> Any:
    known = {f.name for f in fields(kind)}
    values = {
        key: tuple(value) if key in _TUPLES and isinstance(value, list) else value
        for key, value in data.items()
        if key in known
    }
    return kind(**values)


def job_from_json(data: dict[str, Any]) -> Job:
    """Return the job that `to_json` wrote."""
    data = dict(data)
    data["request"] = _plain(Request, data["request"])
    data["shares"] = [_plain(Share, share) for share in data["shares"]]
    data["steps"] = {key: _plain(Step, step) for key, step in data["steps"].items()}
    job: Job = _plain(Job, data)
    return job
