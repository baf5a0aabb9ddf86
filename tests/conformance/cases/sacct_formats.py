"""sacct: fields, steps, choices."""

from __future__ import annotations

import grp
import os
import re

from tests.conformance.case import case
from tests.conformance.driver import Slurm


@case("sacct JobID", "sacct JobName", "sacct State", "sacct ExitCode", "sacct --format",
      "sacct --parsable2", "sacct --noheader", "sacct --jobs")  # fmt: skip
def a_job_has_rows_for_itself_its_batch_script_and_its_steps(slurm: Slurm) -> None:
    job = slurm.sbatch("-J", "outer", script="srun -J inner true\nsrun sh -c 'exit 2'\nexit 3")
    assert job.end() == "FAILED"
    assert job.acct("jobid,jobname,state,exitcode") == [
        f"{job.id}|outer|FAILED|3:0",
        f"{job.id}.batch|batch|FAILED|3:0",
        f"{job.id}.0|inner|COMPLETED|0:0",
        f"{job.id}.1|sh|FAILED|2:0",
    ]


@case("sacct ExitCode", "state FAILED", "reason NonZeroExitCode", "sacct DerivedExitCode")
def exit_codes_are_code_and_signal(slurm: Slurm) -> None:
    # A batch script that ends at once can be quicker than the news of its step, which then counts
    # for nothing (ran: 22.05, on a busy machine).
    job = slurm.sbatch(
        script="srun sh -c 'exit 4'\n"
        "for look in $(seq 100); do\n"
        '  [ "$(sacct -n -P -j $SLURM_JOB_ID.0 -o exitcode)" != 4:0 ] || break\n'
        "  sleep 0.2\n"
        "done\n"
        "exit 7\n"
    )
    job.end()
    assert job.acct("exitcode,derivedexitcode", "-X") == ["7:0|4:0"]
    assert job.reason() == "NonZeroExitCode"
    killed = slurm.sbatch(script="kill -KILL $$")
    killed.end()
    assert killed.acct("state,exitcode", "-X") == ["FAILED|0:9"]


@case("sacct --allocations", "sacct AllocCPUS", "sacct NCPUS", "sacct NNodes", "sacct NodeList",
      "sacct ReqCPUS", "sacct ReqMem", "sacct Partition", "sacct User", "sacct Account",
      "sacct NTasks")  # fmt: skip
def what_a_job_was_given(slurm: Slurm) -> None:
    where = slurm.hosts(3, 4)
    words = ("-N2", "-n3", "--mem=300", "-w", where, "-A", "hpckit")
    job = slurm.sbatch(*words, "--wrap=srun true")
    job.end()
    fields = "alloccpus,ncpus,nnodes,nodelist,reqcpus,reqmem,partition,user,account"
    assert job.acct(fields, "-X") == [f"3|3|2|{slurm.hosts(3, 4)}|3|600M|debug|{slurm.user}|hpckit"]
    assert job.acct("ntasks") == ["", "1", "3"]


@case("sacct Elapsed", "sacct ElapsedRaw", "sacct Start", "sacct End", "sacct Submit",
      "sacct CPUTimeRAW", "sacct CPUTime", "sacct Eligible")  # fmt: skip
def times_are_those_that_passed(slurm: Slurm) -> None:
    job = slurm.sbatch("-n2", "--wrap=sleep 2")
    job.end()
    row = job.acct("elapsed,elapsedraw,submit,eligible,start,end,cputimeraw", "-X")[0]
    elapsed, raw, submit, eligible, start, end, cpu = row.split("|")
    assert 2 <= int(raw) < 30
    assert elapsed == f"00:00:{int(raw):02}"
    assert submit <= eligible <= start < end
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", start)
    assert int(cpu) == 2 * int(raw)


@case("sacct MaxRSS", "sacct AveRSS", "sacct TotalCPU", "sacct UserCPU", "sacct SystemCPU")
def memory_and_cpu_time_are_measured(slurm: Slurm) -> None:
    # Two seconds of CPU, however long a busy machine takes over them.
    hog = "x = b'x' * (200 << 20)\nimport time\nwhile time.process_time() < 2: pass\n"
    (slurm.directory / "hog.py").write_text(hog)
    job = slurm.sbatch("--wrap=/usr/bin/python3 hog.py")
    assert job.end() == "COMPLETED"
    rss, cpu = job.acct("maxrss,totalcpu")[1].split("|")
    assert 200_000 < int(rss.rstrip("K")) < 260_000
    minutes, seconds = cpu.split(":")
    assert minutes == "00"
    assert 1.9 < float(seconds) < 6


@case("sacct --parsable", "sacct --parsable2", "sacct --delimiter")
def rows_are_delimited_as_asked(slurm: Slurm) -> None:
    job = slurm.sbatch("--wrap=true")
    job.end()
    job.acct("state")
    ask = ("-j", job.id, "-X", "-o", "jobid,state")
    assert slurm.ok("sacct", "-p", *ask) == f"JobID|State|\n{job.id}|COMPLETED|"
    assert slurm.ok("sacct", "-P", *ask) == f"JobID|State\n{job.id}|COMPLETED"
    assert slurm.ok("sacct", "-P", "--delimiter=,", "-n", *ask) == f"{job.id},COMPLETED"


@case("sacct --format", "sacct --brief", "env SACCT_FORMAT")
def columns_have_widths_and_defaults(slurm: Slurm) -> None:
    job = slurm.sbatch("-J", "a-long-job-name", "-A", "hpckit", "--wrap=true")
    job.end()
    job.acct("state")
    ask = ("-j", job.id, "-X")
    head, dashes, row = slurm.ok("sacct", *ask).splitlines()
    assert head.split() == [
        "JobID",
        "JobName",
        "Partition",
        "Account",
        "AllocCPUS",
        "State",
        "ExitCode",
    ]
    assert dashes == "------------ ---------- ---------- ---------- ---------- ---------- -------- "
    assert row == (f"{job.id:12} a-long-jo+      debug     hpckit          1  COMPLETED      0:0 ")
    assert slurm.ok("sacct", "-n", *ask, "-o", "jobname%20") == f"{'a-long-job-name':>20} "
    assert slurm.ok("sacct", "-n", *ask, "-o", "jobname%-20") == f"{'a-long-job-name':20} "
    assert slurm.ok("sacct", "-n", "-P", *ask, SACCT_FORMAT="jobname") == "a-long-job-name"
    assert slurm.ok("sacct", "-b", *ask).split()[:3] == ["JobID", "State", "ExitCode"]


@case("sacct --name", "sacct --state", "sacct --user", "sacct --starttime", "sacct --endtime",
      "sacct --partition")  # fmt: skip
def jobs_are_chosen_by_name_state_and_time(slurm: Slurm) -> None:
    name = slurm.directory.name
    good = slurm.sbatch("-J", name, "--wrap=true")
    bad = slurm.sbatch("-J", name, "--wrap=false")
    for job in (good, bad):
        job.end()
        job.acct("state")
    ask = ("-n", "-P", "-X", "-o", "jobid", "--name", name)
    assert slurm.ok("sacct", *ask).split() == [good.id, bad.id]
    chosen = ("-S", "now-1hours", "-E", "now")
    assert slurm.ok("sacct", *ask, *chosen, "-s", "FAILED").split() == [bad.id]
    assert slurm.ok("sacct", *ask, *chosen, "-s", "CD").split() == [good.id]
    assert slurm.ok("sacct", *ask, "-u", slurm.user, "-r", "debug").split() == [good.id, bad.id]
    assert slurm.ok("sacct", *ask, "-r", "short") == ""


@case("sacct State", "state CANCELLED")
def a_cancelled_job_names_who_cancelled_it(slurm: Slurm) -> None:

    job = slurm.sbatch("--wrap=sleep 60").becomes("RUNNING").cancel()
    job.end()
    assert job.acct("state", "-X") == [f"CANCELLED by {os.getuid()}"]
    assert job.acct("state")[1] == "CANCELLED"
    held = slurm.sbatch("-H", "--wrap=true").cancel()
    held.end()
    assert held.acct("state,nodelist,elapsed", "-X") == [
        f"CANCELLED by {os.getuid()}|None assigned|00:00:00"
    ]


@case("sacct State", "state PENDING", "state RUNNING")
def unfinished_jobs_are_listed_too(slurm: Slurm) -> None:
    from tests.conformance.driver import until

    job = slurm.sbatch("--wrap=sleep 30").becomes("RUNNING")
    ask = ("-n", "-P", "-X", "-j", job.id, "-o", "state,end,exitcode")
    until("its record", lambda: slurm.ok("sacct", *ask) == "RUNNING|Unknown|0:0")
    held = slurm.sbatch("-H", "--wrap=true")
    ask = ("-n", "-P", "-X", "-j", held.id, "-o", "state,start,nodelist")
    until("its record", lambda: slurm.ok("sacct", *ask) == "PENDING|Unknown|None assigned")


@case("state OUT_OF_MEMORY", "sacct ExitCode", "sbatch --mem")
def too_much_memory_ends_a_job_as_out_of_memory(slurm: Slurm) -> None:
    (slurm.directory / "hog.py").write_text("x = bytearray(400 << 20); print(len(x))\n")
    job = slurm.sbatch("--mem=100", "--wrap=/usr/bin/python3 hog.py")
    assert job.end() == "OUT_OF_MEMORY"
    assert job.acct("state,exitcode", "-X") == ["OUT_OF_MEMORY|0:125"]
    assert job.acct("state")[1] == "OUT_OF_MEMORY"
    assert "oom" in job.output().lower()


@case("sacct WorkDir", "sacct Cluster", "sacct AllocTRES", "sacct ReqTRES", "sacct QOS",
      "sacct UID", "sacct Group", "sacct SubmitLine", "sacct Reason", "sacct Priority")  # fmt: skip
def other_fields(slurm: Slurm) -> None:
    job = slurm.sbatch("-N1", "-n2", "--mem=100", "--wrap=true")
    job.end()
    row = job.acct("workdir,alloctres,qos", "-X")[0]
    assert row == f"{slurm.directory}|billing=2,cpu=2,mem=100M,node=1|normal"
    assert job.acct("submitline", "-X")[0].endswith("-N1 -n2 --mem=100 --wrap=true")


@case("sacct AdminComment", "sacct AllocNodes", "sacct Comment", "sacct CPUTimeRAW",
      "sacct GID", "sacct Layout", "sacct ReqNodes", "sacct Reserved", "sacct Suspended",
      "sacct WCKey", "sacct UID", "sacct Group", "sacct User", "sacct Cluster",
      "sacct Priority", "sacct Reason")  # fmt: skip
def rarer_fields(slurm: Slurm) -> None:
    job = slurm.sbatch("-N2", "--comment=a word", "--wrap=srun sleep 1")
    job.end()
    fields = "admincomment,allocnodes,reqnodes,gid,uid,group,suspended,wckey"
    group = grp.getgrgid(os.getgid()).gr_name
    assert job.acct(fields, "-X") == [f"|2|2|{os.getgid()}|{os.getuid()}|{group}|00:00:00|"]
    assert job.acct("reserved", "-X")[0].startswith("00:0")
    assert int(job.acct("cputimeraw", "-X")[0]) >= 2
    assert job.acct("layout")[-1] in ("Block", "Cyclic")
    assert job.acct("cluster", "-X")[0]
    assert int(job.acct("priority", "-X")[0]) > 0


@case("sacct AveCPU", "sacct MaxRSSNode", "sacct MaxRSSTask", "sacct MaxVMSize", "sacct AveRSS",
      "sacct --units", "sacct --noconvert")  # fmt: skip
def usage_is_told_with_the_node_and_in_units(slurm: Slurm) -> None:
    (slurm.directory / "hog.py").write_text("import time\nx = b'x' * (80 << 20)\ntime.sleep(5)\n")
    job = slurm.sbatch("-w", slurm.nodes[1], "--wrap=srun /usr/bin/python3 hog.py")
    job.end()
    node, task, cpu = job.acct("maxrssnode,maxrsstask,avecpu")[-1].split("|")
    assert (node, task) == (slurm.nodes[1], "0")
    assert cpu.startswith("00:00:0")
    assert 70 < float(job.acct("maxrss", "--units=M")[-1].rstrip("M")) < 110
    assert 70_000 < int(job.acct("averss")[-1].rstrip("K")) < 110_000
    assert 70 << 20 < int(job.acct("maxrss", "--noconvert")[-1]) < 110 << 20
    assert job.acct("maxvmsize")[-1].endswith("K")


@case("sacct --accounts", "sacct --nodelist", "sacct --allusers", "sacct --uid",
      "sacct --qos", "sacct --nnodes", "sacct --ncpus", "sacct --truncate",
      "sacct --clusters", "sacct --allclusters", "sacct --array", "sacct --steps",
      "sacct --local", "sacct --verbose")  # fmt: skip
def jobs_are_chosen_by_account_and_node(slurm: Slurm) -> None:
    name = slurm.directory.name
    job = slurm.sbatch("-J", name, "-A", "hpckit", "-w", slurm.nodes[1], "--wrap=true")
    job.end()
    job.acct("state")
    ask = ("-n", "-P", "-X", "-o", "jobid", "--name", name)
    assert slurm.ok("sacct", *ask, "-A", "hpckit") == job.id
    assert slurm.ok("sacct", *ask, "-A", "another") == ""
    assert slurm.ok("sacct", *ask, "-N", slurm.nodes[1]) == job.id
    assert slurm.ok("sacct", *ask, "-N", slurm.nodes[2]) == ""
    assert slurm.ok("sacct", *ask, "-a") == job.id
    assert slurm.ok("sacct", *ask, "--uid", str(os.getuid())) == job.id


@case("sacct --duplicates", "sacct --long", "sacct --helpformat", "sacct --version",
      "sacct --help", "sacct --completion")  # fmt: skip
def long_lists_and_help(slurm: Slurm) -> None:
    job = slurm.sbatch("--wrap=true")
    job.end()
    job.acct("state")
    head = slurm.ok("sacct", "-P", "-l", "-j", job.id).splitlines()[0].split("|")
    assert {"JobID", "JobIDRaw", "MaxRSS", "Elapsed", "State", "ExitCode", "ReqMem"} <= set(head)
    names = slurm.ok("sacct", "--helpformat").split()
    assert {"JobID", "State", "ExitCode", "MaxRSS", "Elapsed", "NodeList"} <= set(names)
    assert slurm.ok("sacct", "--version") == "slurm-wlm 22.05.8"
    assert "sacct [<OPTION>]" in slurm.ok("sacct", "--help")


OF_STEPS = [
    "AveVMSize",
    "AssocID",
    "AveCPUFreq",
    "AveDiskRead",
    "AveDiskWrite",
    "AvePages",
    "BlockID",
    "Constraints",
    "ConsumedEnergy",
    "ConsumedEnergyRaw",
    "Container",
    "DBIndex",
    "Flags",
    "MaxDiskRead",
    "MaxDiskReadNode",
    "MaxDiskReadTask",
    "MaxDiskWrite",
    "MaxDiskWriteNode",
    "MaxDiskWriteTask",
    "MaxPages",
    "MaxPagesNode",
    "MaxPagesTask",
    "MaxVMSizeNode",
    "MaxVMSizeTask",
    "McsLabel",
    "MinCPU",
    "MinCPUNode",
    "MinCPUTask",
    "QOSRAW",
    "ReqCPUFreq",
    "ReqCPUFreqGov",
    "ReqCPUFreqMax",
    "ReqCPUFreqMin",
    "Reservation",
    "ReservationId",
    "ResvCPU",
    "ResvCPURAW",
    "SystemComment",
    "WCKeyID",
]


@case(*(f"sacct {name}" for name in OF_STEPS))
def every_measure_of_a_step_can_be_asked_for(slurm: Slurm) -> None:
    job = slurm.sbatch("--wrap=srun true")
    job.end()
    rows = job.acct(",".join(name.lower() for name in OF_STEPS))
    assert [len(row.split("|")) for row in rows] == [len(OF_STEPS)] * 3
    ask = ("-P", "-X", "-j", job.id, "-o", ",".join(OF_STEPS))
    assert slurm.ok("sacct", *ask).splitlines()[0].split("|") == OF_STEPS
