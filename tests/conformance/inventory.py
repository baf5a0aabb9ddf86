"""The list of what must be covered: every option, variable, pattern, state, reason and field in
use.

A topic is written as a user would say it: ``sbatch --array``, ``env SLURM_JOB_ID``,
``pattern %A``, ``state TIMEOUT``, ``reason Dependency``, ``squeue %i``, ``sacct MaxRSS``,
``scontrol hold``, ``sinfo %T``. Each has at least one case;
docs/reference/conformance.md says which.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_WORDS: dict[str, str] = {
    "sbatch": """
        --account --array --begin --chdir --comment --constraint --cpus-per-task --dependency
        --distribution --error --exclude --exclusive --export --export-file --gpus
        --gpus-per-node --gpus-per-task --gres --hint --hold --input --job-name
        --kill-on-invalid-dep --mail-type --mail-user --mem --mem-per-cpu --nice --no-kill
        --no-requeue --nodelist --nodes --ntasks --ntasks-per-node --open-mode --output
        --oversubscribe --parsable --partition --qos --quiet --requeue --signal --test-only
        --time --verbose --wait --wait-all-nodes --wckey --wrap --help --usage --version
        stdin arguments directives quoting short-options
        """,
    "srun": """
        --account --chdir --comment --constraint --cpu-bind --cpus-per-task --distribution
        --error --exact --exclude --exclusive --export --gpus --gpus-per-node
        --gpus-per-task --gres --help --hint --input --job-name --jobid --kill-on-bad-exit --label
        --mem --mem-per-cpu --mpi --nice --no-kill --nodelist --nodes --ntasks
        --ntasks-per-node --open-mode --output --overcommit --overlap --oversubscribe
        --partition --qos --quiet --time --unbuffered --usage --verbose --version --wait
        --wckey --whole exit-code signals outside-a-job
        """,
    "squeue": """
        %A %a %B %b %C %c %D %d %E %e %F %f %G %g %h %i %j %K %k %L %l %M %m %N %n %o %P %p
        %Q %q %R %r %S %T %t %U %u %V %v %w %X %x %Y %y %Z %z --Format --account --all
        --array --array-unique --format --help --hide --jobs --local --long --me --name
        --nodelist --noheader --partition --priority --qos --sort --start --states --steps
        --usage --user --verbose --version --only-job-state
        """,
    "sacct": """
        AveVMSize AssocID AveCPUFreq AveDiskRead AveDiskWrite AvePages BlockID Constraints
        ConsumedEnergy ConsumedEnergyRaw Container DBIndex Flags MaxDiskRead MaxDiskReadNode
        MaxDiskReadTask MaxDiskWrite MaxDiskWriteNode MaxDiskWriteTask MaxPages MaxPagesNode
        MaxPagesTask MaxVMSizeNode MaxVMSizeTask McsLabel MinCPU MinCPUNode MinCPUTask
        QOSRAW ReqCPUFreq ReqCPUFreqGov ReqCPUFreqMax ReqCPUFreqMin Reservation
        ReservationId ResvCPU ResvCPURAW SystemComment WCKeyID
        Account AdminComment AllocCPUS AllocNodes AllocTRES AveCPU AveRSS Cluster Comment
        CPUTime CPUTimeRAW DerivedExitCode Elapsed ElapsedRaw Eligible End ExitCode GID
        Group JobID JobIDRaw JobName Layout MaxRSS MaxRSSNode MaxRSSTask MaxVMSize NCPUS
        NNodes NodeList NTasks Partition Priority QOS Reason ReqCPUS ReqMem ReqNodes ReqTRES
        Reserved Start State Submit Suspended SystemCPU Timelimit TimelimitRaw TotalCPU UID
        User UserCPU WCKey WorkDir SubmitLine Planned Restarts StdOut
        --accounts --allclusters --allocations
        --allusers --array --brief --clusters --completion --delimiter --duplicates
        --endtime --format --help --helpformat --jobs --local --long --name --ncpus --nnodes
        --noconvert --nodelist --noheader --parsable --parsable2 --partition --qos
        --starttime --state --steps --truncate --uid --units --user --verbose --version
        """,
    "scontrol": """
        show-job show-node show-partition show-config show-hostnames show-hostlist show-step
        hold uhold release requeue requeuehold ping version write-batch_script
        update-TimeLimit update-ArrayTaskThrottle update-NodeState update-JobName
        update-Partition update-Nice update-StartTime update-Dependency update-Comment
        update-NumNodes --oneliner --details
        """,
    "sinfo": """
        %A %a %b %C %c %D %d %E %e %F %f %G %g %H %h %L %l %M %m %N %n %O %o %P %p %R %r %s
        %T %t %u %V %v %w %X %Y %Z %z --Node --all --dead --exact --format --help --hide
        --list-reasons --long --nodes --noheader --partition --responding --sort --states
        --summarize --verbose --version
        """,
    "scancel": """
        job array-task step --account --batch --ctld --full --help --hurry --jobname --me
        --name --nodelist --partition --qos --quiet --signal --state --user --verbose
        --version
        """,
    "env": """
        SLURM_JOB_ID SLURM_JOBID SLURM_JOB_NAME SLURM_JOB_NODELIST SLURM_NODELIST
        SLURM_JOB_NUM_NODES SLURM_NNODES SLURM_JOB_PARTITION SLURM_JOB_ACCOUNT SLURM_JOB_USER
        SLURM_JOB_UID SLURM_JOB_GID SLURM_JOB_QOS SLURM_JOB_CPUS_PER_NODE SLURM_CPUS_ON_NODE
        SLURM_CPUS_PER_TASK SLURM_NTASKS SLURM_NPROCS SLURM_NTASKS_PER_NODE
        SLURM_TASKS_PER_NODE SLURM_MEM_PER_NODE SLURM_MEM_PER_CPU SLURM_CLUSTER_NAME
        SLURM_SUBMIT_DIR SLURM_SUBMIT_HOST SLURMD_NODENAME SLURM_NODEID SLURM_PROCID
        SLURM_LOCALID SLURM_GTIDS SLURM_TASK_PID SLURM_TOPOLOGY_ADDR SLURM_TOPOLOGY_ADDR_PATTERN
        SLURM_ARRAY_JOB_ID SLURM_ARRAY_TASK_ID SLURM_ARRAY_TASK_COUNT SLURM_ARRAY_TASK_MIN
        SLURM_ARRAY_TASK_MAX SLURM_ARRAY_TASK_STEP SLURM_RESTART_COUNT SLURM_STEP_ID
        SLURM_STEPID SLURM_STEP_NODELIST SLURM_STEP_NUM_NODES SLURM_STEP_NUM_TASKS
        SLURM_STEP_TASKS_PER_NODE SLURM_JOB_GPUS SLURM_GPUS_ON_NODE CUDA_VISIBLE_DEVICES
        SLURM_STEP_GPUS SLURM_GPUS SLURM_GPUS_PER_NODE SLURM_GPUS_PER_TASK SLURM_HINT
        SLURM_THREADS_PER_CORE SBATCH_HINT
        SLURM_EXPORT_ENV SLURM_GET_USER_ENV SLURM_JOB_DEPENDENCY ENVIRONMENT HOSTNAME
        SBATCH_PARTITION SBATCH_JOB_NAME SBATCH_TIMELIMIT SBATCH_ARRAY_INX SBATCH_EXPORT
        SBATCH_ACCOUNT SBATCH_QOS SBATCH_CONSTRAINT SBATCH_EXCLUSIVE SBATCH_GRES SBATCH_GPUS
        SBATCH_MEM_PER_NODE SBATCH_MEM_PER_CPU SBATCH_NO_REQUEUE SBATCH_REQUEUE
        SBATCH_OPEN_MODE SBATCH_SIGNAL SBATCH_WAIT SQUEUE_FORMAT SACCT_FORMAT
        SINFO_FORMAT SLURM_TIME_FORMAT SLURM_JOB_START_TIME SLURM_JOB_END_TIME
        SLURM_TRES_PER_TASK
        """,
    "pattern": "%A %a %j %J %N %n %u %x %s %t %% %4j backslash",
    "state": """
        PENDING RUNNING COMPLETING COMPLETED CANCELLED FAILED TIMEOUT NODE_FAIL PREEMPTED
        OUT_OF_MEMORY REQUEUED REQUEUE_HOLD
        idle mixed allocated drained draining down
        """,
    "reason": """
        None Resources Priority Dependency DependencyNeverSatisfied JobArrayTaskLimit JobHeldUser
        JobHeldAdmin BeginTime PartitionTimeLimit PartitionNodeLimit ReqNodeNotAvail
        NonZeroExitCode TimeLimit NodeDown launch-failed
        """,
    "dependency": "after after+time afterok afternotok afterany singleton and or aftercorr",
    "signal": "step batch default-step preemption time-limit scancel requeue",
    "error": """
        no-interpreter unknown-option bad-directive bad-value invalid-partition
        invalid-node invalid-account impossible-nodes impossible-cpus impossible-memory
        impossible-gpus invalid-array array-too-large invalid-dependency invalid-time
        missing-script unknown-job finished-job invalid-feature late-directive empty-script
        controller-down dos-line-breaks bad-format
        """,
}

TOPICS: frozenset[str] = frozenset(
    f"{kind} {word}" for kind, words in _WORDS.items() for word in words.split()
)


def kinds() -> list[str]:
    return list(_WORDS)


def topics_of(kind: str) -> list[str]:
    """Return the topics of a kind, in the order of this list."""
    return [f"{kind} {word}" for word in _WORDS[kind].split()]


def check_topics(where: str, topics: Iterable[str]) -> None:
    """Raise an error with suggestions for a topic that is not listed."""
    for topic in topics:
        if topic not in TOPICS:
            near = difflib.get_close_matches(topic, TOPICS, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{where}: topic {topic!r} is not in inventory.py.{hint}")
