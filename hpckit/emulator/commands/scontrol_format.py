"""The text that ``scontrol show`` prints for jobs, steps, nodes, partitions and the configuration.

Field order and words are those of 22.05.
"""

from __future__ import annotations

import os
import socket
import time
from typing import Any

from hpckit.emulator.commands.squeue_fields import tres
from hpckit.emulator.core import formats, hostlist

Data = dict[str, Any]


def _join(lines: list[str], oneliner: bool) -> str:
    if oneliner:
        return " ".join(line.strip() for line in lines if line.strip()) + " \n"
    return "\n   ".join(lines) + "\n\n"


def job(j: Data, oneliner: bool) -> str:
    """Return one job's record."""
    pending = j["state"] == "PENDING"
    lines = [_identity(j)]
    lines.append(f"UserId={j['user']}({j['uid']}) GroupId={_group(j['gid'])}({j['gid']}) "
                 "MCS_label=N/A")  # fmt: skip
    lines.append(f"Priority={j['priority']} Nice={j['nice']} Account={j['account']} QOS={j['qos']}")
    lines.append(
        f"JobState={j['state']} Reason={j['reason'].replace(' ', '_')} Dependency={j['dependency']}"
    )
    lines.append(
        f"Requeue={int(j['requeue'])} Restarts={j['restarts']} "
        f"BatchFlag={int(j['batch'])} Reboot=0 ExitCode={formats.exit_code(j['exit'])}"
    )
    lines.append(f"RunTime={formats.elapsed(_run_time(j))} "
                 f"TimeLimit={formats.time_limit(j['limit'], long=True)} TimeMin=N/A")  # fmt: skip
    lines += _times(j, pending)
    lines.append(f"Partition={j['partition']} AllocNode:Sid={j['host']}:0")
    lines.append(f"ReqNodeList={j['nodelist'] or '(null)'} ExcNodeList={j['exclude'] or '(null)'}")
    lines.append(f"NodeList={j['node_list'] or ''}".rstrip())
    if j["nodes"]:
        lines.append(f"BatchHost={j['nodes'][0]}")
    lines += _sizes(j)
    if j.get("details"):
        lines[-2:-2] = [
            f"  Nodes={node} CPU_IDs=0-{cpus - 1} Mem={memory} GRES="
            for node, cpus, memory in _alike(j["shares"])
        ]
    lines += [
        f"Features={j['features'] or '(null)'} DelayBoot=00:00:00",
        f"OverSubscribe={'NO' if j['exclusive'] else 'OK'} Contiguous=0 Licenses=(null) "
        "Network=(null)",
        f"Command={' '.join([j['command'], *j['arguments']]) if j['command'] else '(null)'}",
        f"WorkDir={j['work_dir']}",
    ]  # fmt: skip
    if j["comment"]:
        lines.append(f"Comment={j['comment']} ")
    if j["batch"]:
        lines += [f"StdErr={j['stderr']}", f"StdIn={j['stdin']}", f"StdOut={j['stdout']}"]
    lines += ["Power=", ""]
    return _join(lines, oneliner)


def _identity(j: Data) -> str:
    array = ""
    if j["array_job_id"]:
        task = j["waiting_text"] if j["waiting"] else j["array_task_id"]
        array = f"ArrayJobId={j['array_job_id']} ArrayTaskId={task} "
        if j["array_limit"]:
            array += f"ArrayTaskThrottle={j['array_limit']} "
    return f"JobId={j['job_id']} {array}JobName={j['name']}"


def _group(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _run_time(j: Data) -> float:
    if j["start"] is None or j["state"] == "PENDING":
        return 0.0
    return float((j["end"] if j["end"] is not None else j["now"]) - j["start"])


def _times(j: Data, pending: bool) -> list[str]:
    eligible = j["eligible"]
    if eligible is None and j["begin"]:
        eligible = j["begin"]
    start = j["start"] if not pending else (j["begin"] or None)
    if start is None and not pending:
        start = j["end"]  # cancelled before it started
    end = j["end"] if j["end"] is not None else j["end_by"]
    if pending and start is not None and j["limit"] > 0:
        end = start + 60 * j["limit"]
    return [
        f"SubmitTime={formats.stamp(j['submit'])} EligibleTime={formats.stamp(eligible)}",
        f"AccrueTime={formats.stamp(j['eligible'])}",
        f"StartTime={formats.stamp(start)} EndTime={formats.stamp(end)} Deadline=N/A",
        f"SuspendTime=None SecsPreSuspend=0 LastSchedEval={formats.stamp(j['now'])} "
        "Scheduler=Main",
    ]  # fmt: skip


def _sizes(j: Data) -> list[str]:
    memory = (
        f"MinMemoryNode={formats.memory(j['mem_per_node'])}" if j["mem_per_node"] >= 0 else
        "MinMemoryCPU="
        + formats.memory(j["mem_per_cpu"] if j["mem_per_cpu"] >= 0 else j["default_mem_per_cpu"])
    )  # fmt: skip
    least = j["node_count"]
    nodes = (
        f"{least}-{j['max_nodes']}"
        if (j["state"] == "PENDING" and j["max_nodes"] > least)
        else str(least)
    )
    per_node = j["ntasks_per_node"]
    return [
        f"NumNodes={nodes} NumCPUs={j['cpus']} NumTasks={j['tasks']} "
        f"CPUs/Task={j['cpus_per_task']} ReqB:S:C:T=0:0:*:*",
        f"TRES={_tres(j)}",
        f"Socks/Node=* NtasksPerN:B:S:C={per_node}:0:*:* CoreSpec=*",
        f"MinCPUsNode={max(1, per_node) * j['cpus_per_task']} {memory} MinTmpDiskNode=0",
    ]  # fmt: skip


def _alike(shares: list[list[Any]]) -> list[tuple[str, int, int]]:
    """Return a job's nodes grouped by equal shares, as ``--details`` shows them."""
    groups: dict[tuple[int, int], list[str]] = {}
    for node, cpus, memory, _gpus in shares:
        groups.setdefault((cpus, memory), []).append(node)
    return [(hostlist.compress(nodes), *amount) for amount, nodes in groups.items()]


def _tres(j: Data) -> str:
    if j["shares"]:
        return tres(j)
    if j["mem_per_node"] > 0:
        memory = j["mem_per_node"] * j["node_count"]
    else:
        each = j["mem_per_cpu"] if j["mem_per_cpu"] >= 0 else j["default_mem_per_cpu"]
        memory = each * j["cpus"]
    return (f"cpu={j['cpus']},mem={formats.memory(memory)},node={j['node_count']},"
            f"billing={j['cpus']}")  # fmt: skip


def step(j: Data, s: Data, oneliner: bool) -> str:
    """Return one step's record."""
    return _join([
        f"StepId={j['job_id']}.{s['id']} UserId={j['uid']} "
        f"StartTime={formats.stamp(s['start'])} TimeLimit=UNLIMITED",
        f"State={s['state']} Partition={j['partition']} NodeList={s['nodes']}",
        f"Nodes={s['node_count']} CPUs={s['cpus']} Tasks={s['tasks']} Name={s['name']} "
        "Network=(null)",
        f"TRES=cpu={s['cpus']},node={s['node_count']}",
        "ResvPorts=(null)", "CPUFreqReq=Default", "SrunHost:Pid=(null):0",
    ], oneliner)  # fmt: skip


def node(n: Data, data: Data, oneliner: bool) -> str:
    """Return one node's record."""
    state = n["state"].upper()
    if n["drain"]:
        busy = "ALLOCATED" if n["used_cpus"] >= n["cpus"] else "MIXED"
        base = "DOWN" if n["down"] else busy if n["jobs"] else "IDLE"
        state = f"{base}+DRAIN"
    if n["down"] and n["reason"] == "Not responding":
        state += "*" if "+" not in state else ""
    uname = os.uname()
    gpus = n["gpus"]
    alloc = ""
    if n["used_cpus"]:
        alloc = f"cpu={n['used_cpus']},mem={formats.memory(n['used_memory_mib'])}"
        alloc += f",gres/gpu={n['used_gpus']}" if n["used_gpus"] else ""
    boot = formats.stamp(data["started"])
    lines = [
        f"NodeName={n['name']} Arch={uname.machine} CoresPerSocket=1 ",
        f"CPUAlloc={n['used_cpus']} CPUEfctv={n['cpus']} CPUTot={n['cpus']} "
        f"CPULoad={os.getloadavg()[0]:.2f}",
        f"AvailableFeatures={n['features'] or '(null)'}",
        f"ActiveFeatures={n['features'] or '(null)'}",
        f"Gres={f'gpu:{gpus}' if gpus else '(null)'}",
        f"NodeAddr={n['address']} NodeHostName={n['name']} Version=22.05.8",
        f"OS=Linux {uname.release} {uname.version} ",
        f"RealMemory={n['memory_mib']} AllocMem={n['used_memory_mib']} "
        f"FreeMem={n['memory_mib'] - n['used_memory_mib']} Sockets={n['cpus']} Boards=1",
        f"State={state} ThreadsPerCore=1 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A",
        f"Partitions={','.join(n['partitions'])} ",
        f"BootTime={boot} SlurmdStartTime={boot}",
        f"LastBusyTime={formats.stamp(data['now'])}",
        f"CfgTRES=cpu={n['cpus']},mem={formats.memory(n['memory_mib'])},billing={n['cpus']}"
        + (f",gres/gpu={gpus}" if gpus else ""),
        f"AllocTRES={alloc}",
        "CapWatts=n/a", "CurrentWatts=0 AveWatts=0",
        "ExtSensorsJoules=n/s ExtSensorsWatts=0 ExtSensorsTemp=n/s",
    ]  # fmt: skip
    if n["reason"]:
        stamp = formats.stamp(n["reason_at"] or None)
        lines.append(f"Reason={n['reason']} [root@{stamp}]")
    return _join(lines, oneliner)


def partition(p: Data, data: Data, oneliner: bool) -> str:
    """Return one partition's record."""
    by_name = {n["name"]: n for n in data["nodes"]}
    nodes = [by_name[name] for name in p["nodes"]]
    cpus = sum(n["cpus"] for n in nodes)
    memory = formats.memory(sum(n["memory_mib"] for n in nodes))
    default = p["default_time_min"]
    limit = formats.time_limit(p["max_time_min"], long=True)
    shown = formats.time_limit(default, long=True) if default else "NONE"
    most = "UNLIMITED" if p["max_nodes"] < 0 else p["max_nodes"]
    return _join([
        f"PartitionName={p['name']}",
        "AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL",
        f"AllocNodes=ALL Default={'YES' if p['default'] else 'NO'} QoS=N/A",
        f"DefaultTime={shown} DisableRootJobs=NO ExclusiveUser=NO "
        f"GraceTime={int(p['grace_s'])} Hidden=NO",
        f"MaxNodes={most} MaxTime={limit} MinNodes=0 LLN=NO MaxCPUsPerNode=UNLIMITED",
        f"Nodes={hostlist.compress(p['nodes'])}",
        f"PriorityJobFactor=1 PriorityTier={p['priority_tier']} RootOnly=NO ReqResv=NO "
        "OverSubscribe=NO",
        f"OverTimeLimit=NONE PreemptMode={'REQUEUE' if p['preempt'] else 'OFF'}",
        f"State={'UP' if p['up'] else 'DOWN'} TotalCPUs={cpus} TotalNodes={len(nodes)} "
        "SelectTypeParameters=NONE",
        "JobDefaults=(null)",
        "DefMemPerNode=UNLIMITED MaxMemPerNode=UNLIMITED",
        f"TRES=cpu={cpus},mem={memory},node={len(nodes)},billing={cpus}",
    ], oneliner)  # fmt: skip


def config(data: Data) -> str:
    """Return ``scontrol show config``."""
    c = data["config"]
    host = socket.gethostname()
    values = {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "BOOT_TIME": formats.stamp(data["started"]),
        "ClusterName": c["name"],
        "DefMemPerCPU": data["default_mem_per_cpu"],
        "EnforcePartLimits": "NO",
        "FirstJobId": 1,
        "JobRequeue": 1,
        "KillOnBadExit": 0,
        "KillWait": f"{c['kill_wait_s']:g} sec",
        "MaxArraySize": c["max_array_size"],
        "MaxJobCount": c["max_job_count"],
        "MinJobAge": f"{c['min_job_age_s']:g} sec",
        "MpiDefault": "none",
        "NEXT_JOB_ID": data["next_job_id"],
        "OverTimeLimit": "0 min",
        "PreemptMode": "REQUEUE",
        "PreemptType": "preempt/partition_prio",
        "PriorityType": "priority/basic",
        "SchedulerType": "sched/backfill",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_CPU_MEMORY",
        "SlurmctldHost[0]": host,
        "SlurmctldPort": 6817,
        "SlurmdTimeout": f"{c['slurmd_timeout_s']:g} sec",
        "SLURM_CONF": f"{data['state_dir']}/slurm.conf",
        "SLURM_VERSION": "22.05.8",
        "StateSaveLocation": data["state_dir"],
        "TaskPlugin": "task/none",
        "UnkillableStepTimeout": "60 sec",
        "WaitTime": "0 sec",
    }
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(data["now"]))
    lines = [f"{key:<23} = {value}" for key, value in values.items()]
    text = "\n".join(lines)
    return f"Configuration data as of {stamp}\n{text}\n\nSlurmctld(primary) at {host} is UP\n"
