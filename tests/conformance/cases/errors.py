"""Requests that Slurm refuses, with its messages and exit codes."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import Slurm

FAILED = "sbatch: error: Batch job submission failed: "
NO_SUCH_NODES = FAILED + "Requested node configuration is not available\n"


def said(slurm: Slurm, *words: str) -> tuple[int, str]:
    done = slurm.refuses(*words)
    return done.code, done.err


@case("error no-interpreter")
def a_script_without_an_interpreter_line(slurm: Slurm) -> None:
    (slurm.directory / "bare").write_text("echo hi\n")
    assert said(slurm, "bare") == (
        1,
        "sbatch: error: This does not look like a batch script.  The first\n"
        "sbatch: error: line must start with #! followed by the path to an interpreter.\n"
        "sbatch: error: For instance: #!/bin/sh\n",
    )


@case("error empty-script", "error missing-script", "error dos-line-breaks")
def a_script_that_is_empty_missing_or_from_dos(slurm: Slurm) -> None:
    (slurm.directory / "empty").write_text("")
    (slurm.directory / "dos").write_bytes(b"#!/bin/sh\r\ntrue\r\n")
    assert said(slurm, "empty") == (1, "sbatch: error: Batch script is empty!\n")
    assert said(slurm, "nowhere") == (1, "sbatch: error: Unable to open file nowhere\n")
    assert said(slurm, "dos") == (
        1,
        "sbatch: error: Batch script contains DOS line breaks (\\r\\n)\n"
        "sbatch: error: instead of expected UNIX line breaks (\\n).\n",
    )


@case("error unknown-option", "error bad-directive")
def an_unknown_option_or_directive(slurm: Slurm) -> None:
    code, text = said(slurm, "--nope", "--wrap=true")
    assert code == 255
    assert text.endswith(
        "sbatch: unrecognized option '--nope'\nTry \"sbatch --help\" for more information\n"
    )
    code, text = said(slurm, slurm.script("#!/bin/sh\n#SBATCH --nope=3\ntrue\n"))
    assert code == 255
    assert text.splitlines()[0].endswith("sbatch: unrecognized option '--nope=3'")
    code, text = said(slurm, slurm.script("#!/bin/sh\n#SBATCH word\ntrue\n"))
    assert (code, text) == (
        255,
        "sbatch: error: Invalid directive found in batch script: word\n",
    )


@case("error bad-value")
def values_that_cannot_be(slurm: Slurm) -> None:
    for words, code, text in (
        (["--mem=abc"], 255, "Invalid --mem specification"),
        (["--signal=FOO@10"], 255, "Invalid --signal specification"),
        (["--open-mode=x"], 255, "Invalid --open-mode specification"),
        (["--exclusive=foo"], 255, "Invalid --exclusive specification"),
        (["-n", "0"], 1, 'Invalid numeric value "0" for --ntasks.'),
        (["-c", "abc"], 1, 'Invalid numeric value "abc" for --cpus-per-task.'),
        (["--mail-type=NOPE"], 255, "Invalid --mail-type specification"),
        (["--kill-on-invalid-dep=x"], 255, "Invalid --kill-on-invalid-dep specification"),
    ):
        assert said(slurm, *words, "--wrap=true") == (code, f"sbatch: error: {text}\n"), words


@case("error invalid-partition", "error invalid-node", "error invalid-account",
      "error invalid-feature")  # fmt: skip
def names_that_nobody_knows(slurm: Slurm) -> None:
    code, text = said(slurm, "-p", "nope", "--wrap=true")
    assert (code, text.splitlines()[-1] + "\n") == (
        1,
        FAILED + "Invalid partition name specified\n",
    )
    assert said(slurm, "-w", "zz1", "--wrap=true") == (1, FAILED + "Invalid node name specified\n")
    assert said(slurm, "-C", "nope", "--wrap=true") == (
        1,
        FAILED + "Invalid feature specification\n",
    )


@case("error impossible-cpus", "error impossible-memory", "error impossible-gpus")
def what_no_node_has(slurm: Slurm) -> None:
    assert said(slurm, "-c3", "--wrap=true") == (
        1,
        "sbatch: error: CPU count per node can not be satisfied\n" + NO_SUCH_NODES,
    )
    assert said(slurm, "--mem=9000", "--wrap=true") == (
        1,
        "sbatch: error: Memory specification can not be satisfied\n" + NO_SUCH_NODES,
    )
    assert said(slurm, "--gres=gpu:5", "--wrap=true") == (1, NO_SUCH_NODES)
    assert said(slurm, "--gres=fpga:1", "--wrap=true") == (
        1,
        "sbatch: error: Invalid generic resource (gres) specification\n",
    )


@case("error impossible-nodes", "reason PartitionNodeLimit")
def more_nodes_than_there_are_wait_for_the_partition_to_change(slurm: Slurm) -> None:
    slurm.sbatch("-N99", "--wrap=true").waits_for("PartitionConfig")
    slurm.sbatch("-n99", "--wrap=true").waits_for("PartitionConfig")


@case("error impossible-memory", "sbatch --test-only")
def test_only_refuses_what_cannot_be(slurm: Slurm) -> None:
    done = slurm.call("sbatch", "--test-only", "--mem=9000", "--wrap=true")
    assert (done.code, done.err) == (
        1,
        "allocation failure: Requested node configuration is not available\n",
    )


@case("error unknown-job")
def jobs_that_nobody_knows(slurm: Slurm) -> None:
    done = slurm.call("squeue", "-j", "999999")
    assert (done.code, done.err) == (1, "slurm_load_jobs error: Invalid job id specified\n")
    done = slurm.call("scontrol", "show", "job", "999999")
    assert (done.code, done.err) == (1, "slurm_load_jobs error: Invalid job id specified\n")
    done = slurm.call("scancel", "999999")
    assert (done.code, done.out) == (0, "")
    done = slurm.call("sacct", "-n", "-j", "999999")
    assert (done.code, done.out) == (0, "")
    done = slurm.call("scontrol", "hold", "999999")
    assert done.code == 1
    assert "Invalid job id specified" in done.err


@case("error finished-job")
def a_finished_job_is_not_changed(slurm: Slurm) -> None:
    job = slurm.sbatch("--wrap=true")
    job.end()
    done = slurm.call("scontrol", "update", f"jobid={job.id}", "timelimit=5")
    assert done.code == 1
    assert "Job has already finished" in done.err
    done = slurm.call("scancel", job.id)
    assert (done.code, done.err) == (0, "")
    done = slurm.call("scontrol", "hold", job.id)
    assert done.code == 1


@case("error bad-value", "scancel --quiet", "error bad-format")
def commands_without_what_they_need(slurm: Slurm) -> None:
    done = slurm.call("scancel")
    assert (done.code, done.err) == (1, "scancel: error: No job identification provided\n")
    done = slurm.call("scancel", "abc")
    assert (done.code, done.err) == (1, "scancel: error: Invalid job id abc\n")
    done = slurm.call("squeue", "-j", "abc")
    assert (done.code, done.err) == (1, "squeue: error: Invalid job id: abc\n")
    done = slurm.call("sacct", "-o", "nope")
    assert (done.code, done.err) == (1, 'sacct: error: Invalid field requested: "nope"\n')
    done = slurm.call("squeue", "-t", "NOPE")
    assert done.code == 1
    assert done.err.startswith("squeue: error: Invalid job state specified: NOPE\n")
    done = slurm.call("scontrol", "frob")
    assert done.code == 1


@case("error unknown-job", "scontrol show-node", "scontrol show-partition")
def nodes_and_partitions_that_nobody_knows(slurm: Slurm) -> None:
    done = slurm.call("scontrol", "show", "node", "zz")
    assert (done.code, done.out) == (1, "Node zz not found\n")
    done = slurm.call("scontrol", "show", "partition", "zz")
    assert (done.code, done.out) == (1, "Partition zz not found\n")


@case("state FAILED", "reason launch-failed")
def a_working_directory_that_is_missing_fails_the_job(slurm: Slurm) -> None:
    job = slurm.sbatch("-D", "/nonexistent/place", "-o", "/dev/null", "--wrap=true")
    assert job.end() in ("FAILED", "COMPLETED")
