"""scontrol: what it shows and what it changes."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import Slurm


@case("scontrol show-job")
def show_job_tells_all(slurm: Slurm) -> None:
    words = ("-J", "shown", "-n2", "-t", "12", "-o", "out.%j", "-A", "hpckit")
    job = slurm.sbatch("-H", *words, script="true")
    wanted = {
        "JobId": job.id, "JobName": "shown", "JobState": "PENDING", "Reason": "JobHeldUser",
        "TimeLimit": "00:12:00", "Partition": "debug", "NumCPUs": "2", "NumTasks": "2",
        "Requeue": "1", "Restarts": "0", "BatchFlag": "1", "ExitCode": "0:0", "NodeList": "",
        "Account": "hpckit", "QOS": "normal", "Nice": "0", "Dependency": "(null)",
        "WorkDir": str(slurm.directory), "StdOut": f"{slurm.directory}/out.{job.id}",
        "StdErr": f"{slurm.directory}/out.{job.id}", "StdIn": "/dev/null",
        "Command": f"{slurm.directory}/script-0.sh", "UserId": f"{slurm.user}(0)",
        "NumNodes": "1", "Priority": "0", "RunTime": "00:00:00", "StartTime": "Unknown",
        "Features": "(null)", "CPUs/Task": "1",
    }  # fmt: skip
    found = {key: job.detail(key) for key in wanted}
    wanted["UserId"] = found["UserId"]
    if found["NumNodes"] == "1-1":
        found["NumNodes"] = "1"
    if found["NodeList"] == "(null)":
        found["NodeList"] = ""
    assert found == wanted


@case("scontrol show-job", "scontrol --oneliner")
def oneliner_puts_a_job_on_a_line(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "--wrap=true")
    out = slurm.ok("scontrol", "-o", "show", "job", job.id)
    assert "\n" not in out
    assert out.startswith(f"JobId={job.id} JobName=wrap UserId=")


@case("scontrol show-job", "scontrol --details")
def show_job_of_a_running_job(slurm: Slurm) -> None:
    # With the whole of both nodes: they are shown as one only where the job has the same CPUs of
    # each, and a job of another case may still hold some.
    words = ("-N2", "-w", slurm.hosts(1, 2), "--exclusive", "-t3", "--wrap=sleep 30")
    job = slurm.sbatch(*words).becomes("RUNNING")
    assert job.detail("JobState") == "RUNNING"
    assert job.detail("NodeList") == slurm.hosts(1, 2)
    assert f"Nodes={slurm.hosts(1, 2)} " in slurm.ok("scontrol", "-d", "show", "job", job.id)
    assert job.detail("BatchHost") == slurm.nodes[0]
    assert job.detail("NumNodes") == "2"
    assert job.detail("TimeLimit") == "00:03:00"
    assert job.detail("StartTime") < job.detail("EndTime")


@case("scontrol show-job")
def an_array_s_tasks_are_shown_one_by_one(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "--array=2-3", "--wrap=true")
    out = slurm.ok("scontrol", "show", "job", job.id)
    assert f"JobId={job.id} ArrayJobId={job.id} ArrayTaskId=2-3 " in out
    out = slurm.ok("scontrol", "show", "job", f"{job.id}_3")
    assert f"ArrayJobId={job.id}" in out


@case("scontrol show-hostnames")
def show_hostnames_writes_a_list_out(slurm: Slurm) -> None:
    out = slurm.ok("scontrol", "show", "hostnames", "a[1-3,07-09],b")
    assert out.split() == ["a1", "a2", "a3", "a07", "a08", "a09", "b"]
    job = slurm.sbatch("-N2", "-w", slurm.hosts(2, 3), "--wrap=scontrol show hostnames")
    assert job.end() == "COMPLETED"
    assert job.lines() == slurm.nodes[1:3]


@case("scontrol show-hostlist")
def show_hostlist_writes_names_short(slurm: Slurm) -> None:
    assert slurm.ok("scontrol", "show", "hostlist", "a1,a2,a3,a5,b") == "a[1-3,5],b"
    assert slurm.ok("scontrol", "show", "hostlist", "a3,a1,a2") == "a[3,1-2]"
    assert slurm.ok("scontrol", "show", "hostlist", "a08,a09,a10") == "a[08-10]"


@case("scontrol show-node")
def show_node_tells_what_it_has(slurm: Slurm) -> None:
    node = slurm.nodes[0]
    out = slurm.ok("scontrol", "show", "node", node)
    words = out.split()
    for word in (f"NodeName={node}", "CPUTot=2", "RealMemory=4000", "Gres=gpu:2",
                 f"NodeHostName={node}", "Partitions=debug,short,low,high"):  # fmt: skip
        assert word in words, word
    assert slurm.ok("scontrol", "-o", "show", "node", node).startswith(f"NodeName={node} ")


@case("scontrol show-partition")
def show_partition_tells_its_limits(slurm: Slurm) -> None:
    words = slurm.ok("scontrol", "show", "partition", "short").split()
    for word in ("PartitionName=short", "Default=NO", "MaxTime=00:02:00", "DefaultTime=00:01:00",
                 "State=UP", "TotalNodes=4", "TotalCPUs=8",
                 f"Nodes={slurm.hosts(1, 4)}"):  # fmt: skip
        assert word in words, word


@case("scontrol ping", "scontrol version", "scontrol show-config")
def the_controller_answers(slurm: Slurm) -> None:
    assert slurm.ok("scontrol", "ping").endswith(" is UP")
    assert slurm.ok("scontrol", "version") == "slurm-wlm 22.05.8"
    config = slurm.ok("scontrol", "show", "config")
    pairs = (line.split("=", 1) for line in config.splitlines() if "=" in line)
    found = {name.strip(): value.strip() for name, value in pairs}
    assert found["MaxArraySize"] == "1001"
    assert found["KillWait"] == "5 sec"
    assert found["SLURM_VERSION"] == "22.05.8"


@case("scontrol update-JobName", "scontrol update-Partition", "scontrol update-Comment",
      "scontrol update-NumNodes")  # fmt: skip
def a_waiting_job_is_changed(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "--wrap=true")
    slurm.ok("scontrol", "update", f"JobId={job.id}", "JobName=new", "Partition=low", "Comment=a b")
    assert job.shown("%j|%P|%k") == "new|low|a b"
    slurm.ok("scontrol", "update", "job", job.id, "numnodes=2")
    assert job.shown("%D") == "2"


@case("scontrol update-StartTime")
def a_start_can_be_put_off(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "--wrap=true")
    slurm.ok("scontrol", "update", f"jobid={job.id}", "starttime=now+1hour")
    slurm.ok("scontrol", "release", job.id)
    job.waits_for("BeginTime")


@case("scontrol write-batch_script")
def the_script_is_kept_as_it_was_submitted(slurm: Slurm) -> None:
    text = "#!/bin/bash\n#SBATCH -J kept\necho 'as it was'  \n"
    job = slurm.sbatch("-H", script=text)
    assert slurm.call("scontrol", "write", "batch_script", job.id, "-").out.startswith(text)
    slurm.ok("scontrol", "write", "batch_script", job.id)
    assert slurm.read(f"slurm-{job.id}.sh") == text


@case("scontrol show-step")
def show_step_tells_of_a_running_step(slurm: Slurm) -> None:
    from tests.conformance.driver import until

    job = slurm.sbatch(script="srun -J inner sleep 30").becomes("RUNNING")
    until("a step", lambda: slurm.call("scontrol", "show", "step", f"{job.id}.0").code == 0)
    out = slurm.ok("scontrol", "show", "step", f"{job.id}.0")
    assert f"StepId={job.id}.0" in out
    assert "State=RUNNING" in out
    assert "Name=inner" in out
