"""The inputs of sbatch: flags, directives, standard input, variables."""

from __future__ import annotations

import time

from tests.conformance.case import case
from tests.conformance.driver import Slurm


@case("sbatch --wrap", "state COMPLETED")
def wrap_makes_a_script_of_a_line(slurm: Slurm) -> None:
    assert slurm.run("--wrap=echo hello $((1+1))") == "hello 2\n"


@case("sbatch stdin")
def a_script_may_come_on_standard_input(slurm: Slurm) -> None:
    done = slurm.call("sbatch", "--wait", "-o", "out", stdin="#!/bin/sh\necho from stdin\n")
    assert done.code == 0, str(done)
    assert slurm.read("out") == "from stdin\n"


@case("sbatch arguments")
def words_after_the_script_are_its_arguments(slurm: Slurm) -> None:
    name = slurm.script("printf '<%s>' \"$@\"")
    done = slurm.call("sbatch", "--wait", "-o", "out", name, "a b", "--hold", "*")
    assert done.code == 0, str(done)
    assert slurm.read("out") == "<a b><--hold><*>"


@case("sbatch directives", "sbatch --job-name", "sbatch --output", "sbatch quoting")
def directives_are_read_with_their_quotes(slurm: Slurm) -> None:
    script = (
        "#!/bin/sh\n# a comment\n#SBATCH --job-name='a b' -o  \"out 1\"\necho $SLURM_JOB_NAME\n"
    )
    job = slurm.sbatch(script=script)
    assert job.end() == "COMPLETED"
    assert job.shown("%j") == "a b"
    assert slurm.read("out 1") == "a b\n"


@case("sbatch directives", "error late-directive")
def directives_after_the_first_command_are_not_read(slurm: Slurm) -> None:
    job = slurm.sbatch(script="#!/bin/sh\n#SBATCH -J early\n\n# text\ntrue\n#SBATCH -J late\n")
    assert job.shown("%j") == "early"


@case("sbatch directives", "sbatch --time")
def a_flag_wins_over_a_directive(slurm: Slurm) -> None:
    script = "#!/bin/sh\n#SBATCH --time=5\n#SBATCH --job-name=inner\ntrue\n"
    job = slurm.sbatch("-t", "7", script=script)
    assert job.shown("%l %j") == "7:00 inner"


@case("env SBATCH_TIMELIMIT", "env SBATCH_JOB_NAME", "env SBATCH_PARTITION")
def a_variable_wins_over_a_directive_and_a_flag_over_both(slurm: Slurm) -> None:
    script = "#!/bin/sh\n#SBATCH -t 5 -p short\n#SBATCH -J inner\ntrue\n"
    env = {"SBATCH_TIMELIMIT": "6", "SBATCH_PARTITION": "low", "SBATCH_JOB_NAME": "outer"}
    job = slurm.sbatch("--job-name", "flag", script=script, env=env)
    assert job.shown("%l %P %j") == "6:00 low flag"


@case("sbatch short-options")
def short_options_take_values_joined_and_apart(slurm: Slurm) -> None:
    job = slurm.sbatch("-Hn2", "-c", "1", "-Jx", "-t3", script="true")
    assert job.shown("%j %C %l") == "x 2 3:00"


@case("sbatch --parsable")
def parsable_prints_the_id_alone(slurm: Slurm) -> None:
    out = slurm.ok("sbatch", "--parsable", "--wrap=true")
    assert out.isdigit()
    assert slurm.ok("sbatch", "--wrap=true").startswith("Submitted batch job ")


@case("sbatch --quiet")
def quiet_prints_nothing(slurm: Slurm) -> None:
    assert slurm.ok("sbatch", "-Q", "--wrap=true") == ""


@case("sbatch --test-only")
def test_only_says_where_it_would_run_and_submits_nothing(slurm: Slurm) -> None:
    name = slurm.script("true")
    done = slurm.call("sbatch", "--test-only", "-J", "never-there", "-n2", name)
    assert (done.code, done.out) == (0, "")
    assert "to start at 20" in done.err
    assert "using 2 processors on nodes" in done.err
    assert "in partition debug" in done.err
    assert slurm.ok("squeue", "-h", "-t", "all", "-n", "never-there") == ""


@case("sbatch --wait", "env SBATCH_WAIT")
def wait_returns_the_exit_code_of_the_script(slurm: Slurm) -> None:
    assert slurm.call("sbatch", "--wait", "--wrap=exit 7").code == 7
    assert slurm.call("sbatch", "--wrap=exit 3", env={"SBATCH_WAIT": "1"}).code == 3
    assert slurm.call("sbatch", "--wait", "--wrap=true").code == 0


@case("sbatch --wait")
def wait_on_an_array_returns_the_highest_exit_code(slurm: Slurm) -> None:
    done = slurm.call("sbatch", "-W", "--array=0-3", "--wrap=exit $((2*SLURM_ARRAY_TASK_ID))")
    assert done.code == 6


@case("sbatch --chdir")
def chdir_is_where_the_script_runs_and_its_output_goes(slurm: Slurm) -> None:
    (slurm.directory / "sub dir").mkdir()
    job = slurm.sbatch("-D", "sub dir", "--wrap=pwd")
    assert job.end() == "COMPLETED"
    where = slurm.directory / "sub dir"
    assert (where / f"slurm-{job.id}.out").read_text() == f"{where}\n"
    assert job.shown("%Z") == str(where)


@case(
    "sbatch --mail-type",
    "sbatch --mail-user",
    "sbatch --comment",
    "sbatch --nice",
    "sbatch --account",
    "sbatch --qos",
    "sbatch --wckey",
    "sbatch --wait-all-nodes",
    "sbatch --oversubscribe",
    "sbatch --distribution",
    "sbatch --verbose",
    "squeue %k",
)
def options_that_change_nothing_here_are_accepted(slurm: Slurm) -> None:
    job = slurm.sbatch(
        "--mail-type=END,FAIL", "--mail-user=nobody@example.invalid", "--comment=a comment",
        "--nice=10", "--account=hpckit", "--qos=normal", "-s", "-m", "block", "-v",
        "--wckey=", "--wait-all-nodes=1", "--wrap=true",
    )  # fmt: skip
    assert job.end() == "COMPLETED"
    assert job.shown("%k") == "a comment"


@case("sbatch --begin", "reason BeginTime")
def begin_puts_the_start_off(slurm: Slurm) -> None:
    began = time.time()
    job = slurm.sbatch("--begin=now+12", "--wrap=date +%s").waits_for("BeginTime")
    assert job.end() == "COMPLETED"
    assert int(job.output()) >= int(began) + 12


@case("sbatch --nodelist", "sbatch --nodes")
def nodelist_names_the_nodes(slurm: Slurm) -> None:
    job = slurm.sbatch("-w", slurm.hosts(2, 3), "-N2", "--wrap=srun -l hostname | sort")
    assert job.end() == "COMPLETED"
    assert job.lines() == [f"0: {slurm.nodes[1]}", f"1: {slurm.nodes[2]}"]


@case("sbatch --exclude")
def excluded_nodes_are_not_used(slurm: Slurm) -> None:
    job = slurm.sbatch("-x", f"{slurm.hosts(1, 2)},{slurm.nodes[3]}", "--wrap=hostname")
    assert job.end() == "COMPLETED"
    assert job.output() == f"{slurm.nodes[2]}\n"


@case("sbatch --exclusive", "env SBATCH_EXCLUSIVE")
def exclusive_gives_whole_nodes(slurm: Slurm) -> None:
    show = "echo $SLURM_CPUS_ON_NODE $SLURM_JOB_CPUS_PER_NODE"
    assert slurm.run("--exclusive", "--wrap", show) == "2 2\n"
    assert slurm.run("--wrap", show, env={"SBATCH_EXCLUSIVE": ""}) == "2 2\n"


@case("sbatch --constraint", "env SBATCH_CONSTRAINT")
def constraint_chooses_nodes_by_their_features(slurm: Slurm) -> None:
    assert slurm.run("-C", "common", "--wrap=echo ok") == "ok\n"
    job = slurm.sbatch("--hold", "--wrap=true", env={"SBATCH_CONSTRAINT": "common"})
    assert job.shown("%f") == "common"


@case("sbatch --ntasks", "sbatch --cpus-per-task", "sbatch --ntasks-per-node", "squeue %C")
def tasks_and_cpus_per_task_multiply(slurm: Slurm) -> None:
    job = slurm.sbatch("-H", "-n2", "-c2", "--wrap=true")
    assert job.shown("%C") == "4"
    job = slurm.sbatch("-H", "-N2", "--ntasks-per-node=2", "--wrap=true")
    assert job.shown("%D %C") == "2 4"


@case("sbatch --gpus", "sbatch --gres", "sbatch --gpus-per-node", "sbatch --gpus-per-task",
      "env CUDA_VISIBLE_DEVICES", "env SLURM_JOB_GPUS", "env SLURM_GPUS_ON_NODE",
      "env SBATCH_GRES", "env SBATCH_GPUS")  # fmt: skip
def counted_gpus_are_given_by_number(slurm: Slurm) -> None:
    show = "--wrap=echo $SLURM_GPUS_ON_NODE $(echo $CUDA_VISIBLE_DEVICES | tr , '\\n' | wc -l)"
    assert slurm.run("--gres=gpu:2", show) == "2 2\n"
    assert slurm.run("--gpus=1", show) == "1 1\n"
    assert slurm.run("--gpus-per-node=1", show) == "1 1\n"
    assert slurm.run("-n1", "--gpus-per-task=2", show) == "2 2\n"
    assert slurm.run(show, env={"SBATCH_GRES": "gpu:1"}) == "1 1\n"
    assert slurm.run("--gres=gpu:2", "--wrap=echo $SLURM_JOB_GPUS") == "0,1\n"
    assert slurm.run("--wrap=echo -$CUDA_VISIBLE_DEVICES-") == "--\n"


@case("sbatch --mem", "sbatch --mem-per-cpu", "env SLURM_MEM_PER_NODE", "env SLURM_MEM_PER_CPU",
      "env SBATCH_MEM_PER_NODE", "squeue %m")  # fmt: skip
def memory_is_asked_for_per_node_or_per_cpu(slurm: Slurm) -> None:
    show = "--wrap=echo ${SLURM_MEM_PER_NODE:-none} ${SLURM_MEM_PER_CPU:-none}"
    assert slurm.run("--mem=1G", show) == "1024 none\n"
    assert slurm.run("--mem-per-cpu=300", show) == "none 300\n"
    assert slurm.run("--mem=2048K", show) == "2 none\n"
    assert slurm.run(show) == "none 2000\n"
    assert slurm.run(show, env={"SBATCH_MEM_PER_NODE": "70"}) == "70 none\n"
    assert slurm.sbatch("-H", "--mem=500", "--wrap=true").shown("%m") == "500M"
    assert slurm.sbatch("-H", "--mem=2G", "--wrap=true").shown("%m") == "2G"


@case("sbatch --mem")
def memory_zero_means_all_of_a_node(slurm: Slurm) -> None:
    job = slurm.sbatch("--mem=0", "--wrap=echo ${SLURM_MEM_PER_NODE-none}; sleep 2")
    assert "mem=4000M" in job.becomes("RUNNING").detail("TRES")
    assert job.end() == "COMPLETED"
    assert job.output() == "none\n"


@case("sbatch --partition")
def the_first_partition_of_a_list_that_can_runs_the_job(slurm: Slurm) -> None:
    job = slurm.sbatch("-p", "low,debug", "--wrap=echo $SLURM_JOB_PARTITION")
    assert job.end() == "COMPLETED"
    assert job.output().strip() in ("low", "debug")
    assert job.shown("%P") == job.output().strip()


@case("sbatch --version", "sbatch --help", "sbatch --usage")
def version_and_help_succeed(slurm: Slurm) -> None:
    assert slurm.ok("sbatch", "--version") == "slurm-wlm 22.05.8"
    assert slurm.ok("sbatch", "--help").startswith("Usage: sbatch [OPTIONS")
    assert slurm.ok("sbatch", "--usage").startswith("Usage: sbatch")


@case("sbatch --hint", "env SLURM_HINT", "env SLURM_THREADS_PER_CORE", "env SBATCH_HINT",
      "error bad-value")  # fmt: skip
def hints_are_handed_on_and_others_refused(slurm: Slurm) -> None:
    show = "--wrap=echo $SLURM_HINT $SLURM_THREADS_PER_CORE; srun printenv SLURM_HINT"
    assert slurm.run("--hint=nomultithread", show) == "nomultithread 1\nnomultithread\n"
    assert slurm.run("--hint=multithread", show) == "multithread\nmultithread\n"
    assert slurm.run(show, env={"SBATCH_HINT": "compute_bound"}).startswith("compute_bound 1\n")
    for text in ("bogus", ""):
        done = slurm.refuses(f"--hint={text}", "--wrap=true")
        said = f'sbatch: error: unrecognized --hint argument "{text}", see --hint=help\n'
        assert (done.code, done.err) == (1, said)


@case("env SLURM_GPUS", "env SLURM_GPUS_PER_NODE", "sbatch --gpus", "sbatch --gpus-per-node",
      "sbatch --gres")  # fmt: skip
def the_count_of_gpus_is_handed_on_as_it_was_given(slurm: Slurm) -> None:
    show = "--wrap=echo ${SLURM_GPUS:-no} ${SLURM_GPUS_PER_NODE:-no}"
    assert slurm.run("--gpus=2", show) == "2 no\n"
    assert slurm.run("--gpus-per-node=2", show) == "no 2\n"
    assert slurm.run("--gres=gpu:2", show) == "no no\n"
