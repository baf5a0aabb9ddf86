"""srun inside a job: where tasks go, what they see, what srun returns."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import UNTIL_GO, Slurm


@case("srun --nodes", "srun --ntasks", "srun --label")
def a_step_takes_the_whole_job_unless_told_less(slurm: Slurm) -> None:
    job = slurm.sbatch("-w", slurm.hosts(1, 2), "-N2", "-n4", script="srun -l hostname | sort")
    assert job.end() == "COMPLETED"
    one, two = slurm.nodes[:2]
    assert job.lines() == [f"0: {one}", f"1: {one}", f"2: {two}", f"3: {two}"]


@case("srun --nodelist")
def a_step_runs_on_the_nodes_it_names(slurm: Slurm) -> None:
    script = "srun -N1 -n1 -w $TARGET hostname"
    env = {"TARGET": slurm.nodes[2]}
    job = slurm.sbatch("-w", slurm.hosts(2, 3), "-N2", "-n2", script=script, env=env)
    assert job.end() == "COMPLETED"
    assert job.output() == f"{slurm.nodes[2]}\n"


@case("srun --exclude")
def a_step_can_avoid_a_node(slurm: Slurm) -> None:
    script = "srun -N1 -n1 -x $AVOID hostname"
    env = {"AVOID": slurm.nodes[1]}
    job = slurm.sbatch("-w", slurm.hosts(2, 3), "-N2", "-n2", script=script, env=env)
    assert job.end() == "COMPLETED"
    assert job.output() == f"{slurm.nodes[2]}\n"


@case("env SLURM_STEP_ID", "env SLURM_STEPID", "env SLURM_STEP_NODELIST",
      "env SLURM_STEP_NUM_NODES", "env SLURM_STEP_NUM_TASKS",
      "env SLURM_STEP_TASKS_PER_NODE")  # fmt: skip
def a_task_knows_its_step(slurm: Slurm) -> None:
    show = "echo $SLURM_STEP_ID $SLURM_STEPID $SLURM_STEP_NODELIST $SLURM_STEP_NUM_NODES"
    show += " $SLURM_STEP_NUM_TASKS $SLURM_STEP_TASKS_PER_NODE $SLURM_NTASKS"
    script = f"srun true\nsrun -N1 -n2 -w $SLURMD_NODENAME sh -c '{show}'\n"
    job = slurm.sbatch("-N2", "-n4", script=script)
    assert job.end() == "COMPLETED"
    node = job.shown("%B")
    assert job.said() == [f"1 1 {node} 1 2 2 2"] * 2


@case("env SLURM_PROCID", "env SLURM_LOCALID", "env SLURM_NODEID", "env SLURM_GTIDS",
      "env SLURM_TASKS_PER_NODE")  # fmt: skip
def tasks_are_numbered_over_all_nodes_and_on_each(slurm: Slurm) -> None:
    show = "echo $SLURM_PROCID $SLURM_LOCALID $SLURM_NODEID $SLURM_GTIDS $SLURM_TASKS_PER_NODE"
    out = slurm.run("-N2", "-n4", script=f"srun sh -c '{show}' | sort")
    assert out.splitlines() == [
        "0 0 0 0,1 2(x2)", "1 1 0 0,1 2(x2)", "2 0 1 2,3 2(x2)", "3 1 1 2,3 2(x2)",
    ]  # fmt: skip


@case("srun exit-code")
def the_worst_exit_code_is_returned(slurm: Slurm) -> None:
    job = slurm.sbatch("-n2", script="srun sh -c 'exit $((SLURM_PROCID+3))'; echo code $?")
    assert job.end() == "COMPLETED"
    assert job.lines()[-1] == "code 4"
    assert "task 1: Exited with exit code 4" in job.output()


@case("srun exit-code", "srun signals")
def a_task_ended_by_a_signal_gives_128_and_its_number(slurm: Slurm) -> None:
    job = slurm.sbatch(script="srun sh -c 'kill -9 $$'; echo code $?")
    assert job.end() == "COMPLETED"
    assert job.lines()[-1] == "code 137"
    assert "task 0: Killed" in job.output()


@case("srun exit-code")
def a_program_that_is_not_there_gives_2(slurm: Slurm) -> None:
    job = slurm.sbatch(script="srun no-such-program; echo code $?")
    job.end()
    assert job.lines()[-1] == "code 2"
    assert "execve(): no-such-program: No such file or directory" in job.output()


@case("srun --kill-on-bad-exit")
def kill_on_bad_exit_ends_the_other_tasks(slurm: Slurm) -> None:
    script = "srun -K sh -c '[ $SLURM_PROCID = 0 ] && exit 5; sleep 600'; echo code $?"
    job = slurm.sbatch("-n2", script=script)
    assert job.end() == "COMPLETED"
    assert job.lines()[-1] == "code 143"


@case("srun --wait")
def wait_ends_the_rest_some_time_after_the_first(slurm: Slurm) -> None:
    script = "srun -W1 sh -c '[ $SLURM_PROCID = 0 ] && exit 0; sleep 600'; echo code $?"
    job = slurm.sbatch("-n2", script=script)
    assert job.end() == "COMPLETED"
    assert job.lines()[-1] == "code 137"


@case("srun --overlap")
def steps_overlap_when_they_say_so(slurm: Slurm) -> None:
    script = "srun --overlap sleep 600 & sleep 1; srun --overlap echo beside; kill %1; wait"
    job = slurm.sbatch(script=script).says("beside")
    assert job.end() in ("COMPLETED", "FAILED")


@case("srun --exact", "srun --cpus-per-task", "env SLURM_CPUS_PER_TASK")
def exact_steps_share_a_job_s_cpus(slurm: Slurm) -> None:
    script = (
        "for i in 1 2; do srun --exact -n1 -c1 --mem=100 sh -c 'date +%s; sleep 2' & done; wait"
    )
    one, two = slurm.run("-N1", "-n2", script=script).split()[-2:]
    assert abs(int(one) - int(two)) <= 1


@case("srun --ntasks")
def more_tasks_than_cpus_are_refused(slurm: Slurm) -> None:
    job = slurm.sbatch("-n2", script="srun -n9 true; echo code $?")
    job.end()
    assert job.lines()[-1] == "code 1"
    assert "More processors requested than permitted" in job.output()


@case("srun --input")
def standard_input_goes_to_all_tasks_to_one_or_to_none(slurm: Slurm) -> None:
    script = "echo all | srun -n2 cat; echo one | srun -n2 -i 1 cat; srun -n2 -i none cat; echo end"
    job = slurm.sbatch("-n2", script=script)
    job.end()
    assert job.said() == ["all", "all", "one", "end"]


@case("srun --job-name", "srun --chdir", "sacct JobName")
def a_step_has_a_name_and_a_directory_of_its_own(slurm: Slurm) -> None:
    (slurm.directory / "below").mkdir()
    job = slurm.sbatch(script="srun -J named pwd; srun -D below pwd; srun /bin/true")
    assert job.end() == "COMPLETED"
    assert job.said() == [str(slurm.directory), str(slurm.directory / "below")]
    names = [row.split("|") for row in job.acct("jobid,jobname")]
    assert [n for i, n in names if i.partition(".")[2].isdigit()] == ["named", "pwd", "true"]


@case("srun --quiet", "srun exit-code")
def a_failing_step_says_which_task_failed_where(slurm: Slurm) -> None:
    job = slurm.sbatch("-w", slurm.nodes[0], script="srun sh -c 'exit 9'")
    assert job.end() == "FAILED"
    assert job.output() == f"srun: error: {slurm.nodes[0]}: task 0: Exited with exit code 9\n"
    assert job.acct("exitcode", "-X") == ["9:0"]


@case("srun --distribution")
def cyclic_deals_tasks_round(slurm: Slurm) -> None:
    job = slurm.sbatch(
        "-N2", "-n4", "-w", slurm.hosts(1, 2), script="srun -l -m cyclic hostname | sort"
    )
    job.end()
    one, two = slurm.nodes[:2]
    assert job.lines() == [f"0: {one}", f"1: {two}", f"2: {one}", f"3: {two}"]


@case("srun --output", "srun --error", "srun --open-mode")
def a_step_s_output_goes_to_files(slurm: Slurm) -> None:
    script = "srun -o o.%j.%s -e e.%j sh -c 'echo out; echo err >&2'"
    job = slurm.sbatch(script=script)
    assert job.end() == "COMPLETED"
    assert slurm.read(f"o.{job.id}.0") == "out\n"
    assert slurm.read(f"e.{job.id}") == "err\n"
    assert job.output() == ""


@case("srun --export")
def export_chooses_what_a_step_sees(slurm: Slurm) -> None:
    show = "/bin/sh -c 'echo ${A-none} ${B-none} ${C-none}'"
    script = f"export A=1 B=2\nsrun {show}\nsrun --export=A {show}\nsrun --export=ALL,C=9 {show}\n"
    script += f"srun --export=NONE {show}\n"
    job = slurm.sbatch(script=script)
    job.end()
    assert job.said() == ["1 2 none", "1 none none", "1 2 9", "none none none"]


@case("srun signals")
def a_signal_to_srun_reaches_its_tasks(slurm: Slurm) -> None:
    script = """
    srun bash -c 'trap "echo got it; exit 0" USR1; echo up; for i in {1..200}; do sleep 0.1; done' &
    pid=$!
    while ! grep -q up slurm-$SLURM_JOB_ID.out; do sleep 0.1; done
    kill -USR1 $pid; wait $pid; echo code $?
    """
    job = slurm.sbatch(script=script)
    assert job.end() == "COMPLETED"
    assert job.lines()[1:] == ["got it", "code 0"]


@case("srun --mem", "srun --mem-per-cpu", "srun --unbuffered", "srun --mpi", "srun --cpu-bind")
def options_for_memory_binding_and_mpi_are_taken(slurm: Slurm) -> None:
    script = "srun --mem=100 --unbuffered --mpi=none --cpu-bind=none echo a\n"
    script += "srun --mem-per-cpu=50 echo b\n"
    job = slurm.sbatch(script=script)
    job.end()
    assert job.said() == ["a", "b"]


@case("srun outside-a-job", "srun --partition", "srun --time")
def srun_outside_a_job_makes_one_and_waits(slurm: Slurm) -> None:
    done = slurm.call(
        "srun", "-N2", "-t1", "-p", "debug", "-l", "sh", "-c", "echo $SLURM_PROCID; exit 3"
    )
    assert done.code == 3
    assert sorted(done.out.splitlines()) == ["0: 0", "1: 1"]


@case("srun --gres", "srun --gpus")
def a_step_gets_some_of_the_job_s_gpus(slurm: Slurm) -> None:
    show = "sh -c 'echo $CUDA_VISIBLE_DEVICES'"
    script = f"srun -n1 --gres=gpu:1 {show}; srun --gpus=2 -n1 {show}"
    job = slurm.sbatch("--gres=gpu:2", script=script)
    job.end()
    assert job.said() == ["0", "0,1"]


@case("srun --ntasks-per-node", "srun --overcommit")
def tasks_per_node_and_more_tasks_than_cpus(slurm: Slurm) -> None:
    script = "srun -N2 --ntasks-per-node=1 sh -c 'echo one $SLURM_NODEID'\nsrun -O -n6 echo six\n"
    job = slurm.sbatch("-N2", "-n2", script=script)
    assert job.end() == "COMPLETED"
    assert sorted(job.said()) == ["one 0", "one 1", *["six"] * 6]


@case("srun --whole", "srun --exclusive", "srun --account", "srun --comment", "srun --constraint",
      "srun --no-kill", "srun --nice", "srun --oversubscribe", "srun --qos", "srun --verbose",
      "srun --wckey")  # fmt: skip
def options_that_change_nothing_in_a_step_are_taken(slurm: Slurm) -> None:
    script = "srun --whole --account=hpckit --comment=x echo a 2>/dev/null\n"
    script += (
        "srun --exclusive -n1 echo b 2>/dev/null\nsrun -k --qos=normal -v echo c 2>/dev/null\n"
    )
    job = slurm.sbatch(script=script)
    assert job.end() == "COMPLETED"
    assert job.said() == ["a", "b", "c"]


@case("srun --gpus-per-node", "srun --gpus-per-task")
def a_step_s_gpus_may_be_counted_per_node_or_task(slurm: Slurm) -> None:
    script = "srun -n1 --gpus-per-node=1 sh -c 'echo $CUDA_VISIBLE_DEVICES'\n"
    script += "srun -n1 --gpus-per-task=2 sh -c 'echo $CUDA_VISIBLE_DEVICES'\n"
    job = slurm.sbatch("--gres=gpu:2", script=script)
    assert job.end() == "COMPLETED"
    assert job.said() == ["0", "0,1"]


SEES = "sh -c 'echo $0 $SLURM_STEP_GPUS $CUDA_VISIBLE_DEVICES $SLURM_GPUS_ON_NODE'"
KEEPS = "sh -c 'echo $0 $SLURM_STEP_GPUS; touch up; while [ ! -e go ]; do sleep 0.1; done'"
ONE = "srun --exact -n1 --mem=100"


@case("srun --gres", "srun --exact", "env SLURM_STEP_GPUS")
def steps_at_the_same_time_get_different_gpus(slurm: Slurm) -> None:
    script = f"{ONE} --gres=gpu:1 {KEEPS} a &\nuntil [ -e up ]; do sleep 0.1; done\n"
    script += f"{ONE} --gres=gpu:1 {SEES} b\ntouch go\nwait\n{ONE} --gres=gpu:1 {SEES} c\n"
    job = slurm.sbatch("-N1", "-n2", "--gres=gpu:2", script=script)
    assert job.end() == "COMPLETED"
    assert job.said() == ["a 0", "b 1 1 1", "c 0 0 1"]


@case("srun --gres", "srun --overlap")
def a_step_waits_for_gpus_unless_it_overlaps(slurm: Slurm) -> None:
    script = f"{ONE} {KEEPS} all &\nuntil [ -e up ]; do sleep 0.1; done\n"
    script += f"{ONE} --overlap --gres=gpu:1 {SEES} over\n"
    script += f"(sleep 2; echo go; touch go) &\n{ONE} --gres=gpu:1 {SEES} later\nwait\n"
    job = slurm.sbatch("-N1", "-n2", "--gres=gpu:2", script=script)
    assert job.end() == "COMPLETED"
    assert job.said() == ["all 0,1", "over 0 0 1", "go", "later 0 0 1"]
    asked = f"srun: Job {job.id} step creation temporarily disabled, retrying "
    assert [line for line in job.lines() if line.startswith("srun:")] == [
        f"{asked}(Requested nodes are busy)",
        f"srun: Step created for job {job.id}",
    ]


@case("srun --gres", "srun --gpus", "srun --gpus-per-task", "error impossible-gpus")
def a_step_never_gets_more_gpus_than_its_job(slurm: Slurm) -> None:
    words = ("--gres=gpu:2", "--gpus=2", "--gpus-per-task=2")
    script = "".join(f"srun -n1 {word} true; echo code $?\n" for word in words)
    job = slurm.sbatch("--gres=gpu:1", script=script)
    job.end()
    end = f"error: Unable to create step for job {job.id}: "
    end += "Invalid generic resource (gres) specification"
    more = "error: Step requested gres_per_node=gpu:2 is more than the job's gres_per_node=gpu:1"
    assert job.lines() == [
        f"srun: {more}",
        f"srun: {end}",
        "code 1",
        *[f"srun: {end}", "code 1"] * 2,
    ]
    other = slurm.sbatch(script="srun --gres=gpu:1 true")
    other.end()
    assert other.lines()[0] == "srun: error: Step requested GRES but job doesn't have GRES"


@case("srun --gpus-per-task", "env SLURM_GPUS_PER_TASK", "env SLURM_STEP_GPUS")
def with_gpus_per_task_each_task_sees_its_own(slurm: Slurm) -> None:
    script = f"srun -l {SEES} x | sort\nsrun -n1 {SEES} y\necho $SLURM_GPUS_PER_TASK\n"
    job = slurm.sbatch("-N1", "-n2", "--gpus-per-task=1", script=script)
    assert job.end() == "COMPLETED"
    assert job.said() == ["0: x 0 0 2", "1: x 1 1 2", "y 0 0 1", "1"]


@case("srun --gres", "env CUDA_VISIBLE_DEVICES", "env SLURM_JOB_GPUS", alone=True)
def jobs_on_a_node_get_different_gpus(slurm: Slurm) -> None:
    show = f"echo $SLURM_JOB_GPUS $CUDA_VISIBLE_DEVICES\nsrun --mem=100 {SEES} s\n"
    flags = ("-w", slurm.nodes[1], "-n1", "--mem=100", "--gres=gpu:1")
    one = slurm.sbatch(*flags, script=f"{show}{UNTIL_GO}\n").becomes("RUNNING")
    two = slurm.sbatch(*flags, script=show)
    assert two.end() == "COMPLETED"
    slurm.go()
    one.end()
    assert (one.said(), two.said()) == (["0 0", "s 0 0 1"], ["1 1", "s 1 1 1"])


@case("srun --hint")
def hints_are_taken_and_others_refused(slurm: Slurm) -> None:
    script = "srun --hint=memory_bound,multithread echo a\nSLURM_HINT=compute_bound srun echo b\n"
    job = slurm.sbatch(script=script)
    assert (job.end(), job.said()) == ("COMPLETED", ["a", "b"])
    done = slurm.call("srun", "--hint=nomultithread,bogus", "true")
    assert (done.code, done.err) == (
        1, 'srun: error: unrecognized --hint argument "bogus", see --hint=help\n'
    )  # fmt: skip


@case("srun --jobid", "srun --overlap")
def a_step_joins_a_job_from_outside(slurm: Slurm) -> None:
    job = slurm.sbatch("-w", slurm.nodes[2], "--wrap=sleep 30").becomes("RUNNING")
    done = slurm.call("srun", f"--jobid={job.id}", "--overlap", "hostname")
    assert (done.code, done.out) == (0, f"{slurm.nodes[2]}\n")


@case("srun --version", "srun --help", "srun --usage")
def version_and_help_succeed(slurm: Slurm) -> None:
    assert slurm.ok("srun", "--version") == "slurm-wlm 22.05.8"
    assert slurm.ok("srun", "--help").startswith("Usage: srun [OPTIONS")
    assert slurm.ok("srun", "--usage").startswith("Usage: srun")
