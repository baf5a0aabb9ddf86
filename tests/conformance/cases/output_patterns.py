"""File name patterns of --output and --error, and how files are opened."""

from __future__ import annotations

from tests.conformance.case import case
from tests.conformance.driver import Slurm


def name_of(slurm: Slurm, pattern: str, *options: str) -> tuple[str, str]:
    """The one file that a job with that --output makes, and the job's id."""
    job = slurm.sbatch("-o", f"out/{pattern}", *options, "--wrap=true")
    assert job.end() == "COMPLETED"
    names = [p.name for p in (slurm.directory / "out").iterdir()]
    for path in (slurm.directory / "out").iterdir():
        path.unlink()
    assert len(names) == 1
    return names[0], job.id


@case("pattern %j", "pattern %x", "pattern %u", "pattern %%")
def a_name_is_made_of_the_job_s_facts(slurm: Slurm) -> None:
    (slurm.directory / "out").mkdir()
    name, number = name_of(slurm, "%j-%x-%u-%%-x", "-J", "alpha beta")
    assert name == f"{number}-alpha beta-{slurm.user}-%-x"


@case("pattern %N", "pattern %n", "pattern %J", "pattern %s", "pattern %t")
def node_step_and_task_are_those_of_the_batch_script(slurm: Slurm) -> None:
    (slurm.directory / "out").mkdir()
    name, number = name_of(slurm, "%N_%n_%J_%s_%t", "-w", slurm.nodes[3])
    assert name == f"{slurm.nodes[3]}_0_{number}_batch_0"


@case("pattern %4j")
def a_number_pads_with_zeros(slurm: Slurm) -> None:
    (slurm.directory / "out").mkdir()
    name, number = name_of(slurm, "%8j.%3t")
    assert name == f"{int(number):08}.000"


@case("pattern %4j", "pattern %a", "pattern %A")
def array_ids_are_padded_too(slurm: Slurm) -> None:
    job = slurm.sbatch("--array=7", "-o", "%A-%4a.log", "--wrap=true")
    job.end()
    assert slurm.files("*.log") == [f"{job.id}-0007.log"]


@case("pattern %A", "pattern %a")
def outside_an_array_they_have_values_too(slurm: Slurm) -> None:
    (slurm.directory / "out").mkdir()
    name, number = name_of(slurm, "%A_%a")
    assert name == f"{number}_4294967294"


@case("pattern backslash")
def a_backslash_turns_patterns_off(slurm: Slurm) -> None:
    job = slurm.sbatch("-o", "\\%j.txt", "--wrap=true")
    job.end()
    assert slurm.files("*.txt") == ["%j.txt"]


@case("sbatch --error")
def error_has_a_file_of_its_own(slurm: Slurm) -> None:
    job = slurm.sbatch("-o", "o.%j", "-e", "e.%j", "--wrap=echo out; echo err >&2")
    job.end()
    assert (slurm.read(f"o.{job.id}"), slurm.read(f"e.{job.id}")) == ("out\n", "err\n")


@case("sbatch --output")
def both_go_to_one_file_when_only_output_is_given(slurm: Slurm) -> None:
    job = slurm.sbatch("-o", "both", "--wrap=echo out; echo err >&2")
    job.end()
    assert slurm.read("both") == "out\nerr\n"


@case("sbatch --open-mode", "env SBATCH_OPEN_MODE")
def output_is_truncated_unless_appended(slurm: Slurm) -> None:
    for mode, text in (("truncate", "new\n"), ("append", "old\nnew\n")):
        (slurm.directory / mode).write_text("old\n")
        slurm.sbatch("-o", mode, f"--open-mode={mode}", "--wrap=echo new").end()
        assert slurm.read(mode) == text
    (slurm.directory / "env").write_text("old\n")
    slurm.sbatch("-o", "env", "--wrap=echo new", env={"SBATCH_OPEN_MODE": "append"}).end()
    assert slurm.read("env") == "old\nnew\n"


@case("sbatch --output", "reason launch-failed", "state FAILED")
def a_directory_that_is_missing_fails_the_job(slurm: Slurm) -> None:
    job = slurm.sbatch("-o", "nowhere/%j", "--wrap=true")
    assert job.end() == "FAILED"
    assert not (slurm.directory / "nowhere").exists()


@case("sbatch --input")
def input_is_a_file_or_nothing(slurm: Slurm) -> None:
    (slurm.directory / "in.txt").write_text("some text\n")
    assert slurm.run("-i", "in.txt", "--wrap=cat") == "some text\n"
    assert slurm.run("--wrap=cat; echo end") == "end\n"


@case("pattern %t", "pattern %s", "srun --output")
def srun_gives_each_task_a_file(slurm: Slurm) -> None:
    slurm.run("-N2", "-n4", script="srun -o 's%s-t%t-n%n' sh -c 'echo $SLURM_PROCID'\n")
    assert slurm.files("s0-*") == ["s0-t0-n0", "s0-t1-n0", "s0-t2-n1", "s0-t3-n1"]
    assert slurm.read("s0-t2-n1") == "2\n"


@case("sbatch --output")
def hostile_names_are_files_too(slurm: Slurm) -> None:
    name = "a 'b' \"c\" $d * ü.txt"
    slurm.sbatch("-o", name, "--wrap=echo here").end()
    assert slurm.read(name) == "here\n"
