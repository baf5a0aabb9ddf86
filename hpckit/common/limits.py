"""The durations that have to fit together across processes, with the reason of each. Seconds.

A warned worker has Slurm's KillWait (30 s by default) or a partition's GraceTime. Within it, tasks
may finish (`TASKS_FINISH_S`), then they are ended (`SIGTERM_TO_SIGKILL_S`), and their results
travel (`RESULTS_TRAVEL_S`). A warned head flushes (`LOOP_FLUSHES_S`) and then waits for Slurm to
requeue its job (`AWAIT_REQUEUE_S`). The limits of what head and worker say to each other are in
`hpckit.protocol.messages`.
"""

from __future__ import annotations

from typing import Final

#: How long running tasks may go on after a warning: KillWait, less the time to end them and to
#: write down what came of them.
TASKS_FINISH_S: Final = 27.0
#: The same for the pool's worker, which its head, warned as well, does not leave behind.
POOL_TASKS_FINISH_S: Final = 5.0
#: How long before the job's end running tasks are ended at the latest.
TASKS_END_BEFORE_JOB_S: Final = 3.0
#: Between SIGTERM and SIGKILL of a task that is ended. Less than `TASKS_END_BEFORE_JOB_S`.
SIGTERM_TO_SIGKILL_S: Final = 2.0
#: Time for the last results to travel through the engine before its worker is stopped.
RESULTS_TRAVEL_S: Final = 1.0
#: What a worker keeps of the walltime for leaving in order: it takes no task that would not fit.
LEAVE_BEFORE_JOB_ENDS_S: Final = 10.0
#: How long a worker of an array that was warned stays in its job, so that Slurm requeues it: longer
#: than the grace time of most partitions.
AWAIT_PREEMPTION_S: Final = 120.0
#: How long a warned main loop may take to write what it has and leave.
LOOP_FLUSHES_S: Final = 20.0
#: How long the supervisor then waits for Slurm to requeue or end the job: more than any site's
#: grace time.
AWAIT_REQUEUE_S: Final = 300.0
#: How long a main loop may do nothing before it is ended: longer than an
#: engine takes to start, and than a busy file server does not answer.
LOOP_IS_STUCK_S: Final = 300.0
