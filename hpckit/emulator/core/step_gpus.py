"""Choose the GPUs of a step among its job's: each index once, except with ``--overlap``.

As a real 22.05 with ``Gres=gpu:2``: a step that asks for no GPUs gets all that its job has on each
node; steps wait while too few are free; with ``--gpus-per-task`` each task sees its own. Source:
srun(1) ``--gres``, ``--gpus``, ``--gpus-per-node``, ``--gpus-per-task``.
"""

from __future__ import annotations

from hpckit.emulator.core.model import BATCH, Job, Step, StepRequest
from hpckit.emulator.core.refusal import TEXT, Refusal


def check(job: Job, request: StepRequest) -> None:
    """Refuse a request that the job's GPUs can never satisfy.

    Raises:
        Refusal: ``gres``, with the message that srun prints before it.
    """
    wanted = (request.gpus, request.gpus_per_node, request.gpus_per_task)
    if max(wanted) <= 0:
        return
    total = sum(len(share.gpus) for share in job.shares)
    if not total:
        raise _refusal("Step requested GRES but job doesn't have GRES")
    tasks = sum(share.tasks for share in job.shares)
    for kind, step, had in (
        ("gres", request.gpus, job.request.gpus or job.request.gpus_per_task * tasks),
        ("gres_per_node", request.gpus_per_node, job.request.gpus_per_node),
        ("gres_per_task", request.gpus_per_task, job.request.gpus_per_task),
    ):
        if 0 < had < step:
            raise _refusal(
                f"Step requested {kind}=gpu:{step} is more than the job's {kind}=gpu:{had}"
            )
    most = max(len(share.gpus) for share in job.shares)
    if request.gpus > total or max(wanted[1:]) > most:
        raise Refusal("gres")


def _refusal(detail: str) -> Refusal:
    return Refusal("gres", f"{detail}\n{TEXT['gres']}")


def give(job: Job, step: Step, request: StepRequest) -> list[list[int]]:
    """Return the indices of the GPUs of a step, per node.

    Raises:
        Refusal: ``gres`` if the job has too few, ``busy`` if other steps have them now.
    """
    held = [list(job.share_of(node).gpus) for node in step.nodes]
    counts = _counts(step, request, [len(gpus) for gpus in held])
    if any(count > len(gpus) for count, gpus in zip(counts, held, strict=True)):
        raise Refusal("gres")
    free = held if request.overlap else [_free(job, node) for node in step.nodes]
    if any(count > len(gpus) for count, gpus in zip(counts, free, strict=True)):
        raise Refusal("busy")
    return [gpus[:count] for gpus, count in zip(free, counts, strict=True)]


def _counts(step: Step, request: StepRequest, held: list[int]) -> list[int]:
    """Return how many GPUs a step takes of each node, of those that the job has there."""
    if request.gpus_per_task:
        return [request.gpus_per_task * len(tasks) for tasks in step.tasks]
    if request.gpus_per_node >= 0:
        return [request.gpus_per_node] * len(held)
    if request.gpus < 0:
        return held
    counts = [min(1, had) if index < request.gpus else 0 for index, had in enumerate(held)]
    for index, had in enumerate(held):
        counts[index] += min(had - counts[index], request.gpus - sum(counts))
    if sum(counts) < request.gpus:
        raise Refusal("gres")
    return counts


def _free(job: Job, node: str) -> list[int]:
    taken = {
        gpu
        for step in job.steps.values()
        if step.step_id != BATCH and not step.overlap and node in step.live and step.gpu_ids
        for gpu in step.gpu_ids[step.nodes.index(node)]
    }
    return [gpu for gpu in job.share_of(node).gpus if gpu not in taken]


def of_task(step: Step, node_index: int, local: int) -> list[int]:
    """Return the indices that one task sees."""
    gpus = step.gpu_ids[node_index] if step.gpu_ids else []
    each = step.gpus_per_task
    return gpus[local * each : (local + 1) * each] if each else gpus
