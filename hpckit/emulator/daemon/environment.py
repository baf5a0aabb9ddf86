"""The ``SLURM_*`` variables of batch scripts, array tasks and steps, in Slurm's formats.

Sources: sbatch(1) *OUTPUT ENVIRONMENT VARIABLES*, srun(1) likewise; compared with a real 22.05.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hpckit.emulator.core import hostlist, step_gpus
from hpckit.emulator.core.model import Job, Node, Request, Share, Step


def exported(mode: str, given: dict[str, str]) -> dict[str, str]:
    """Return what of the submitter's environment a job gets, after ``--export``.

    ``SLURM_*`` is always exported. ``NONE`` and ``NIL`` export nothing else; a list
    names the variables to keep, ``NAME=value`` sets one, ``ALL`` keeps everything.
    """
    if mode in ("", "ALL"):
        return dict(given)
    kept = {key: value for key, value in given.items() if key.startswith(("SLURM_", "SPANK_"))}
    if mode in ("NONE", "NIL"):
        return kept
    words = _split(mode)
    if "ALL" in words:
        kept = dict(given)
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            kept[name] = value
        elif word != "ALL" and word in given:
            kept[word] = given[word]
    return kept


def wants_login(mode: str) -> bool:
    """Return True if the user's login environment is loaded too: not for ``ALL``."""
    return mode not in ("", "ALL") and "ALL" not in _split(mode)


def _split(mode: str) -> list[str]:
    """Return the words between commas; quotes hold commas together, and stay."""
    words, current, quote = [], "", ""
    for char in mode:
        if char == "," and not quote:
            words.append(current)
            current = ""
            continue
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        current += char
    return [word for word in [*words, current] if word]


def of_job(job: Job, *, cluster: str) -> dict[str, str]:
    """Return the variables that describe a job, the same in its batch script and its steps."""
    request = job.request
    nodes = hostlist.compress(job.nodes)
    values = {
        "SLURM_CLUSTER_NAME": cluster,
        "SLURM_JOB_ACCOUNT": request.account or request.user,
        "SLURM_JOB_CPUS_PER_NODE": hostlist.run_lengths(s.cpus for s in job.shares),
        "SLURM_JOB_GID": str(request.gid),
        "SLURM_JOB_ID": str(job.job_id),
        "SLURM_JOBID": str(job.job_id),
        "SLURM_JOB_NAME": request.name,
        "SLURM_JOB_NODELIST": nodes,
        "SLURM_JOB_NUM_NODES": str(len(job.shares)),
        "SLURM_JOB_PARTITION": job.partition,
        "SLURM_JOB_QOS": request.qos or "normal",
        "SLURM_JOB_UID": str(request.uid),
        "SLURM_JOB_USER": request.user,
        "SLURM_NNODES": str(len(job.shares)),
        "SLURM_NODELIST": nodes,
        "SLURM_NODE_ALIASES": "(null)",
        "SLURM_SUBMIT_DIR": request.submit_dir,
        "SLURM_SUBMIT_HOST": request.submit_host,
        "SLURM_TASKS_PER_NODE": hostlist.run_lengths(s.tasks for s in job.shares),
        "SLURM_TOPOLOGY_ADDR_PATTERN": "node",
        "SLURM_PRIO_PROCESS": "0",
    }
    values |= _memory(job) | _array(job)
    if request.ntasks or request.ntasks_per_node:
        tasks = str(sum(s.tasks for s in job.shares))
        values |= {"SLURM_NTASKS": tasks, "SLURM_NPROCS": tasks}
    if request.ntasks_per_node:
        values["SLURM_NTASKS_PER_NODE"] = str(request.ntasks_per_node)
    if request.cpus_per_task:
        values["SLURM_CPUS_PER_TASK"] = str(request.cpus_per_task)
    if job.restarts:
        values["SLURM_RESTART_COUNT"] = str(job.restarts)
    return values


def _memory(job: Job) -> dict[str, str]:
    request = job.request
    if request.mem_per_node_mib == 0:
        return {}
    if request.mem_per_node_mib > 0:
        return {"SLURM_MEM_PER_NODE": str(request.mem_per_node_mib)}
    per_cpu = request.mem_per_cpu_mib
    if per_cpu < 0:
        per_cpu = job.shares[0].memory_mib // max(1, job.shares[0].cpus)
    return {"SLURM_MEM_PER_CPU": str(per_cpu)}


def _array(job: Job) -> dict[str, str]:
    if not job.array_job_id:
        return {}
    count, least, most, step = job.array_all
    return {
        "SLURM_ARRAY_JOB_ID": str(job.array_job_id),
        "SLURM_ARRAY_TASK_ID": str(job.array_task_id),
        "SLURM_ARRAY_TASK_COUNT": str(count),
        "SLURM_ARRAY_TASK_MIN": str(least),
        "SLURM_ARRAY_TASK_MAX": str(most),
        "SLURM_ARRAY_TASK_STEP": str(step),
    }


def of_batch(job: Job, *, cluster: str) -> dict[str, str]:
    """Return all variables of a batch script but SLURM_TASK_PID, which its step daemon adds."""
    head = job.shares[0]
    values = of_job(job, cluster=cluster) | {
        "ENVIRONMENT": "BATCH",
        "HOSTNAME": head.node,
        "SLURMD_NODENAME": head.node,
        "SLURM_CPUS_ON_NODE": str(head.cpus),
        "SLURM_GTIDS": "0",
        "SLURM_LOCALID": "0",
        "SLURM_NODEID": "0",
        "SLURM_PROCID": "0",
        "SLURM_TOPOLOGY_ADDR": head.node,
    }
    if job.request.export not in ("", "ALL"):
        values["SLURM_EXPORT_ENV"] = job.request.export
    if head.gpus:
        values["SLURM_GPUS_ON_NODE"] = str(len(head.gpus))
    values |= _asked(job.request)
    return values | _job_gpus(head) | _visible(head.gpus)


def _asked(request: Request) -> dict[str, str]:
    """Return the variables by which sbatch passes its options on to the script's sruns."""
    counts = {
        "SLURM_GPUS": request.gpus,
        "SLURM_GPUS_PER_NODE": request.gpus_per_node if request.gpus_by_node else 0,
        "SLURM_GPUS_PER_TASK": request.gpus_per_task,
    }
    values = {name: str(count) for name, count in counts.items() if count}
    if request.hint:
        values["SLURM_HINT"] = request.hint
        if request.hint.split(",")[0] != "multithread":
            values["SLURM_THREADS_PER_CORE"] = "1"
    return values


_VISIBLE = ("CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES")


def _job_gpus(share: Share) -> dict[str, str]:
    return {"SLURM_JOB_GPUS": _joined(share.gpus)} if share.gpus else {}


def _joined(gpus: Iterable[int]) -> str:
    return ",".join(str(gpu) for gpu in gpus)


def _visible(gpus: Sequence[int]) -> dict[str, str]:
    """Return the variables that CUDA, OpenCL and ROCm read: the node's own indices, because no
    device is hidden (``ConstrainDevices=no``)."""
    return dict.fromkeys(_VISIBLE, _joined(gpus)) if gpus else {}


def without_gpus(given: dict[str, str]) -> dict[str, str]:
    """Return srun's environment without the variables about the batch script's own GPUs."""
    names = {*_VISIBLE, "SLURM_GPUS_ON_NODE", "SLURM_STEP_GPUS", "SLURM_JOB_GPUS"}
    return {key: value for key, value in given.items() if key not in names}


def of_task(step: Step, node: str, local: int) -> dict[str, str]:
    """Return the variables of one task on a node."""
    index = step.nodes.index(node)
    values = {"SLURM_PROCID": str(step.tasks[index][local]), "SLURM_LOCALID": str(local)}
    gpus = step_gpus.of_task(step, index, local)
    if gpus:
        values |= {"SLURM_STEP_GPUS": _joined(gpus), **_visible(gpus)}
    return values


def of_step(job: Job, step: Step, node: Node, *, cluster: str) -> dict[str, str]:
    """Return the variables of a step's tasks on one node, without each task's own ids."""
    index = step.nodes.index(node.name)
    nodes = hostlist.compress(step.nodes)
    counts = hostlist.run_lengths(len(tasks) for tasks in step.tasks)
    total = str(step.task_count())
    share = job.share_of(node.name)
    values = of_job(job, cluster=cluster) | {
        "SLURMD_NODENAME": node.name,
        "SLURM_CPUS_ON_NODE": str(share.cpus),
        "SLURM_GTIDS": ",".join(str(t) for t in step.tasks[index]),
        "SLURM_DISTRIBUTION": step.distribution,
        "SLURM_NNODES": str(len(step.nodes)),
        "SLURM_NODEID": str(index),
        "SLURM_NODELIST": nodes,
        "SLURM_NPROCS": total,
        "SLURM_NTASKS": total,
        "SLURM_STEP_ID": step.step_id,
        "SLURM_STEPID": step.step_id,
        "SLURM_STEP_NODELIST": nodes,
        "SLURM_STEP_NUM_NODES": str(len(step.nodes)),
        "SLURM_STEP_NUM_TASKS": total,
        "SLURM_STEP_TASKS_PER_NODE": counts,
        "SLURM_TASKS_PER_NODE": counts,
        "SLURM_TOPOLOGY_ADDR": node.name,
    }
    if step.memory_mib == 0:
        values.pop("SLURM_MEM_PER_CPU", None)
        values["SLURM_MEM_PER_NODE"] = str(share.memory_mib)
    if step.cpus_per_task > 1:
        values["SLURM_CPUS_PER_TASK"] = str(step.cpus_per_task)
    if step.gpu_ids and step.gpu_ids[index]:
        values["SLURM_GPUS_ON_NODE"] = str(len(step.gpu_ids[index]))
    return values | _job_gpus(share)
