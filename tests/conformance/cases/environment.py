"""The variables that a batch script finds, and what of the submitter's travels."""

from __future__ import annotations

import os
import socket

from tests.conformance.case import case
from tests.conformance.driver import Slurm


def variables(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


@case("env SLURM_JOB_ID", "env SLURM_JOBID", "env SLURM_JOB_NAME", "env SLURM_JOB_NODELIST",
      "env SLURM_NODELIST", "env SLURM_JOB_NUM_NODES", "env SLURM_NNODES",
      "env SLURM_JOB_PARTITION", "env SLURM_JOB_CPUS_PER_NODE", "env SLURM_CPUS_ON_NODE",
      "env SLURM_TASKS_PER_NODE", "env SLURMD_NODENAME", "env SLURM_SUBMIT_DIR",
      "env SLURM_SUBMIT_HOST", "env SLURM_JOB_USER", "env SLURM_JOB_UID", "env SLURM_JOB_GID",
      "env SLURM_JOB_QOS", "env ENVIRONMENT", "env HOSTNAME", "env SLURM_NODEID",
      "env SLURM_PROCID", "env SLURM_LOCALID", "env SLURM_GTIDS", "env SLURM_TOPOLOGY_ADDR",
      "env SLURM_TOPOLOGY_ADDR_PATTERN")  # fmt: skip
def a_batch_script_knows_its_job(slurm: Slurm) -> None:
    job = slurm.sbatch("-J", "my job", "-w", slurm.nodes[2], "--wrap=env")
    assert job.end() == "COMPLETED"
    found = variables(job.output())
    node = slurm.nodes[2]
    wanted = {
        "SLURM_JOB_ID": job.id, "SLURM_JOBID": job.id, "SLURM_JOB_NAME": "my job",
        "SLURM_JOB_NODELIST": node, "SLURM_NODELIST": node, "SLURM_JOB_NUM_NODES": "1",
        "SLURM_NNODES": "1", "SLURM_JOB_PARTITION": "debug", "SLURM_JOB_CPUS_PER_NODE": "1",
        "SLURM_CPUS_ON_NODE": "1", "SLURM_TASKS_PER_NODE": "1", "SLURMD_NODENAME": node,
        "SLURM_SUBMIT_DIR": str(slurm.directory), "SLURM_SUBMIT_HOST": socket.gethostname(),
        "SLURM_JOB_USER": slurm.user, "SLURM_JOB_UID": str(os.getuid()),
        "SLURM_JOB_GID": str(os.getgid()), "SLURM_JOB_QOS": "normal", "ENVIRONMENT": "BATCH",
        "HOSTNAME": node, "SLURM_NODEID": "0", "SLURM_PROCID": "0", "SLURM_LOCALID": "0",
        "SLURM_GTIDS": "0", "SLURM_TOPOLOGY_ADDR": node, "SLURM_TOPOLOGY_ADDR_PATTERN": "node",
    }  # fmt: skip
    assert {name: found.get(name) for name in wanted} == wanted


@case("env SLURM_NTASKS", "env SLURM_NPROCS", "env SLURM_CPUS_PER_TASK")
def tasks_are_told_only_when_asked_for(slurm: Slurm) -> None:
    show = "--wrap=echo ${SLURM_NTASKS-none} ${SLURM_NPROCS-none} ${SLURM_CPUS_PER_TASK-none}"
    assert slurm.run(show) == "none none none\n"
    assert slurm.run("-n2", show) == "2 2 none\n"
    assert slurm.run("-n1", "-c2", show) == "1 1 2\n"


@case("env SLURM_JOB_NODELIST", "env SLURM_JOB_CPUS_PER_NODE", "env SLURM_TASKS_PER_NODE")
def several_nodes_are_written_short(slurm: Slurm) -> None:
    show = "--wrap=echo $SLURM_JOB_NODELIST $SLURM_JOB_CPUS_PER_NODE $SLURM_TASKS_PER_NODE"
    out = slurm.run("-N3", "-n6", "-w", slurm.hosts(1, 3), show)
    assert out == f"{slurm.hosts(1, 3)} 2(x3) 2(x3)\n"
    out = slurm.run("-N2", "--ntasks-per-node=2", "-w", slurm.hosts(3, 4), show)
    assert out == f"{slurm.hosts(3, 4)} 2(x2) 2(x2)\n"


@case("env SLURM_NTASKS_PER_NODE")
def tasks_per_node_is_told_when_asked_for(slurm: Slurm) -> None:
    show = "--wrap=echo ${SLURM_NTASKS_PER_NODE-none}"
    assert slurm.run("--ntasks-per-node=2", show) == "2\n"
    assert slurm.run(show) == "none\n"


@case("sbatch --export", "env SLURM_EXPORT_ENV")
def all_of_the_environment_travels_unless_said_otherwise(slurm: Slurm) -> None:
    show = "--wrap=echo ${COLOUR-none} ${SLURM_EXPORT_ENV-none}"
    assert slurm.run(show, env={"COLOUR": "red"}) == "red none\n"
    assert slurm.run("--export=ALL", show, env={"COLOUR": "red"}) == "red none\n"


@case("sbatch --export", "env SLURM_EXPORT_ENV")
def export_none_leaves_only_slurm_s_own(slurm: Slurm) -> None:
    show = "--wrap=echo ${COLOUR-none} ${SLURM_JOB_ID:+id} ${SLURM_EXPORT_ENV-none} ${HOME:+home}"
    assert slurm.run("--export=NONE", show, env={"COLOUR": "red"}) == "none id NONE home\n"
    assert slurm.run("--export=NIL", show, env={"COLOUR": "red"}) == "none id NIL home\n"


@case("sbatch --export", "env SBATCH_EXPORT")
def export_takes_names_and_values(slurm: Slurm) -> None:
    show = "--wrap=echo ${COLOUR-none} ${SIZE-none} ${SHAPE-none}"
    env = {"COLOUR": "red", "SIZE": "big"}
    assert slurm.run("--export=COLOUR,SHAPE=round", show, env=env) == "red none round\n"
    assert slurm.run("--export=ALL,SHAPE=a b", show, env=env) == "red big a b\n"
    assert slurm.run(show, env={**env, "SBATCH_EXPORT": "SIZE"}) == "none big none\n"


@case("sbatch --export")
def quotes_hold_commas_together_and_stay(slurm: Slurm) -> None:
    show = "--wrap=echo ${LIST-none} ${NEXT-none}"
    assert slurm.run("--export=ALL,LIST='a,b',NEXT=c", show) == "'a,b' c\n"


@case("sbatch --export-file")
def export_file_gives_variables_from_a_file(slurm: Slurm) -> None:
    (slurm.directory / "vars").write_bytes(b"COLOUR=blue\0SIZE=two words\0")
    show = "--wrap=echo ${COLOUR-none} ${SIZE-none}"
    assert slurm.run("--export-file=vars", show) == "blue two words\n"


@case("sbatch --export", "srun --export")
def what_export_none_means_reaches_the_steps(slurm: Slurm) -> None:
    show = "/bin/sh -c 'echo ${INNER-none}'"  # not even PATH is there to find sh by
    script = f"export INNER=1\nsrun {show}\nsrun --export=ALL {show}\n"
    script += f"unset SLURM_EXPORT_ENV\nsrun {show}\n"
    assert slurm.run("--export=NONE", script=script) == "none\n1\n1\n"


@case("env SLURM_CLUSTER_NAME", "env SLURM_JOB_ACCOUNT", "env SLURM_TASK_PID")
def cluster_account_and_pid_are_told(slurm: Slurm) -> None:
    out = slurm.run(
        "--account=hpckit",
        script="echo $SLURM_CLUSTER_NAME $SLURM_JOB_ACCOUNT $((SLURM_TASK_PID == $$))",
    )
    name, account, same = out.split()
    assert name
    assert (account, same) == ("hpckit", "1")


@case("env SLURM_JOB_ID")
def another_job_s_variables_do_not_leak_in(slurm: Slurm) -> None:
    env = {
        "SLURM_ARRAY_TASK_ID": "9",
        "SLURM_JOB_ID": "1",
        "SLURM_NTASKS": "64",
        "SLURM_PROCID": "5",
    }
    job = slurm.sbatch("--wrap=echo $SLURM_JOB_ID $SLURM_PROCID", env=env)
    assert job.end() == "COMPLETED"
    assert job.output() == f"{job.id} 0\n"


@case("env HOSTNAME")
def hostname_and_its_resolution_give_the_node(slurm: Slurm) -> None:
    script = "hostname; uname -n; python3 -c 'import socket; print(socket.gethostname())'\n"
    script += "getent hosts $(hostname) | awk '{print $2}'\n"
    out = slurm.run("-w", slurm.nodes[1], script=script)
    assert out.split() == [slurm.nodes[1]] * 4


@case("env SBATCH_ACCOUNT", "env SBATCH_QOS", "env SBATCH_MEM_PER_CPU", "env SLURM_JOB_ACCOUNT",
      "env SLURM_JOB_QOS")  # fmt: skip
def variables_stand_for_options(slurm: Slurm) -> None:
    env = {"SBATCH_ACCOUNT": "hpckit", "SBATCH_QOS": "normal", "SBATCH_MEM_PER_CPU": "150"}
    show = "--wrap=echo $SLURM_JOB_ACCOUNT $SLURM_JOB_QOS $SLURM_MEM_PER_CPU"
    assert slurm.run(show, env=env) == "hpckit normal 150\n"


@case("env SLURM_GET_USER_ENV", "sbatch --export")
def export_none_asks_for_the_user_s_own_environment(slurm: Slurm) -> None:
    show = "--wrap=echo ${SLURM_GET_USER_ENV-none}"
    assert slurm.run("--export=NONE", show) == "1\n"
    assert slurm.run(show) == "none\n"


@case("env SLURM_JOB_DEPENDENCY", "dependency afterany")
def a_job_is_told_what_it_waited_for(slurm: Slurm) -> None:
    one = slurm.sbatch("--wrap=sleep 1")
    out = slurm.run("-d", f"afterany:{one.id}", "--wrap=echo ${SLURM_JOB_DEPENDENCY-none}")
    assert out in (f"afterany:{one.id}\n", f"afterany:{one.id}(unfulfilled)\n", "none\n")
