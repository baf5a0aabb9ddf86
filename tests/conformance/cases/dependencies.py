"""--dependency: what each kind waits for, and what becomes of one that cannot be met."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import UNTIL_GO, Job, Slurm


def chain(slurm: Slurm, kind: str, first: str, *options: str) -> tuple[Job, Job]:
    """A held job that runs `first`, and one that depends on it in the way `kind`."""
    one = slurm.sbatch("-H", f"--wrap={first}")
    two = slurm.sbatch(f"--dependency={kind}:{one.id}", *options, "--wrap=echo went")
    two.waits_for("Dependency")
    slurm.ok("scontrol", "release", one.id)
    return one, two


@case("dependency afterok", "reason Dependency", "sbatch --dependency")
def afterok_runs_after_success(slurm: Slurm) -> None:
    _, two = chain(slurm, "afterok", "sleep 1")
    assert two.end() == "COMPLETED"
    assert two.output() == "went\n"


@case("dependency afterok", "reason DependencyNeverSatisfied")
def afterok_never_runs_after_failure(slurm: Slurm) -> None:
    _, two = chain(slurm, "afterok", "false")
    two.waits_for("DependencyNeverSatisfied")


@case("sbatch --kill-on-invalid-dep", "dependency afterok")
def kill_on_invalid_dep_cancels_what_can_never_run(slurm: Slurm) -> None:
    _, two = chain(slurm, "afterok", "false", "--kill-on-invalid-dep=yes")
    assert two.end() == "CANCELLED"


@case("dependency afternotok")
def afternotok_runs_after_failure(slurm: Slurm) -> None:
    _, two = chain(slurm, "afternotok", "exit 3")
    assert two.end() == "COMPLETED"


@case("dependency afterany")
def afterany_runs_after_any_end(slurm: Slurm) -> None:
    one, two = chain(slurm, "afterany", "sleep 60")
    one.becomes("RUNNING").cancel()
    assert two.end() == "COMPLETED"


@case("dependency after", "state RUNNING")
def after_runs_once_the_other_has_begun(slurm: Slurm) -> None:
    one, two = chain(slurm, "after", "sleep 30")
    assert two.end() == "COMPLETED"
    assert one.state() == "RUNNING"


@case("dependency singleton")
def singleton_runs_one_of_a_name_at_a_time(slurm: Slurm) -> None:
    one = slurm.sbatch("-J", "only-one", f"--wrap={UNTIL_GO}")
    two = slurm.sbatch("-J", "only-one", "-d", "singleton", "--wrap=true")
    other = slurm.sbatch("-J", "another-one", "-d", "singleton", "--wrap=true")
    two.waits_for("Dependency")
    assert other.end() == "COMPLETED"
    assert two.state() == "PENDING"
    slurm.go()
    assert two.end() == "COMPLETED"
    assert one.state() == "COMPLETED"


@case("dependency and")
def a_comma_asks_for_all(slurm: Slurm) -> None:
    one = slurm.sbatch("--wrap=true")
    two = slurm.sbatch("-H", "--wrap=true")
    both = slurm.sbatch("-d", f"afterok:{one.id},afterok:{two.id}", "--wrap=true")
    colon = slurm.sbatch("-d", f"afterok:{one.id}:{two.id}", "--wrap=true")
    one.end()
    both.waits_for("Dependency")
    slurm.ok("scontrol", "release", two.id)
    assert (both.end(), colon.end()) == ("COMPLETED", "COMPLETED")


@case("dependency or")
def a_question_mark_asks_for_any(slurm: Slurm) -> None:
    one = slurm.sbatch("--wrap=true")
    two = slurm.sbatch("-H", "--wrap=true")
    either = slurm.sbatch("-d", f"afterok:{one.id}?afterok:{two.id}", "--wrap=true")
    assert either.end() == "COMPLETED"


@case("dependency afterany", "sbatch --array")
def a_dependency_on_an_array_waits_for_all_its_tasks(slurm: Slurm) -> None:
    array = slurm.sbatch("--array=0-2%1", "-o", "/dev/null", "--wrap=sleep 1")
    after = slurm.sbatch("-d", f"afterany:{array.id}", "--wrap=true")
    after.waits_for("Dependency")
    assert after.end() == "COMPLETED"
    assert array.states() == {"COMPLETED"}


@case("dependency afterok")
def a_dependency_on_one_task_of_an_array_waits_for_that(slurm: Slurm) -> None:
    array = slurm.sbatch(
        "--array=0-1", "-o", "/dev/null", "--wrap=sleep $((SLURM_ARRAY_TASK_ID*100))"
    )
    after = slurm.sbatch("-d", f"afterok:{array.id}_0", "--wrap=true")
    assert after.end() == "COMPLETED"
    assert "RUNNING" in array.states()


@case("dependency aftercorr")
def aftercorr_pairs_the_tasks_of_two_arrays(slurm: Slurm) -> None:
    first = slurm.sbatch("--array=0-1", "-o", "/dev/null", "--wrap=exit $SLURM_ARRAY_TASK_ID")
    second = slurm.sbatch(
        "--array=0-1", "-o", "/dev/null", "-d", f"aftercorr:{first.id}", "--wrap=true"
    )
    first.end()
    second.becomes("COMPLETED")
    assert second.shown("%K", "-r", "-t", "PD") == "1"


@case("squeue %E", "scontrol update-Dependency")
def the_queue_shows_what_is_waited_for(slurm: Slurm) -> None:
    one = slurm.sbatch("-H", "--wrap=true")
    two = slurm.sbatch("-d", f"afterok:{one.id}", "--wrap=true")
    assert two.shown("%E") == f"afterok:{one.id}(unfulfilled)"
    slurm.ok("scontrol", "update", f"jobid={two.id}", "dependency=")
    assert two.end() == "COMPLETED"


@case("error invalid-dependency")
def a_dependency_that_cannot_be_read_is_refused(slurm: Slurm) -> None:
    for bad in ("foo:1", "afterok:", "afterok:abc"):
        said = slurm.refuses("-d", bad, "--wrap=true")
        assert said.err == (
            "sbatch: error: Batch job submission failed: Job dependency problem\n"
        ), bad


@case("dependency afterok")
def a_dependency_on_an_unknown_job_is_accepted_and_met(slurm: Slurm) -> None:
    assert slurm.sbatch("-d", "afterany:99999", "--wrap=true").end() == "COMPLETED"


@case("dependency after+time", "squeue %E")
def after_with_minutes_waits_that_long_after_the_start(slurm: Slurm) -> None:
    one = slurm.sbatch("--wrap=sleep 30").becomes("RUNNING")
    two = slurm.sbatch("-d", f"after:{one.id}+5", "--wrap=true")
    two.waits_for("Dependency")
    assert two.shown("%E") == f"after:{one.id}+5(unfulfilled)"
