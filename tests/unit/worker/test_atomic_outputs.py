from dataclasses import replace
from pathlib import Path

from hpckit.model.task import Task
from hpckit.run.temporary_outputs import remove_temporary_outputs
from hpckit.worker.task.atomic_outputs import TemporaryOutputs, temporary_outputs_of
from tests.unit.factories import make_result


def a_task(root: Path, *more: str) -> tuple[Task, str]:
    out = str(root / "dir with space" / "a.zfp")
    Path(out).parent.mkdir(exist_ok=True)
    return Task(index=7, key="k", argv=("pack", "-o", out, *more), outputs=(out,)), out


def test_the_task_is_given_a_hidden_name_beside_the_output_with_its_suffix(tmp_path: Path) -> None:
    _, out = a_task(tmp_path)
    task, _ = a_task(tmp_path, f"--log={out}", f"{out}.log", f"/x{out}", f"{out}/part")
    other = temporary_outputs_of(task, "r", "w1/0").of(task)
    name = other.argv[2]
    assert Path(name).parent == Path(out).parent
    assert Path(name).suffix == ".zfp"
    assert Path(name).name.startswith(".hpckit-")
    assert other.argv[3:] == (f"--log={name}", f"{out}.log", f"/x{out}", f"{name}/part")
    assert other.outputs == (name,)


def test_arguments_of_functions_are_replaced_at_any_depth(tmp_path: Path) -> None:
    task, out = a_task(tmp_path)
    task = replace(task, argv=(), function="m:f", kwargs={"to": [{"path": out}], "n": 3})
    other = temporary_outputs_of(task, "r", "w").of(task)
    assert other.kwargs == {"to": [{"path": other.outputs[0]}], "n": 3}


def test_two_workers_never_write_to_the_same_name(tmp_path: Path) -> None:
    task, _ = a_task(tmp_path)
    assert temporary_outputs_of(task, "r", "w1/0/1-1/7") != temporary_outputs_of(
        task, "r", "w2/0/1-2/7"
    )


def test_an_output_appears_when_the_task_is_done(tmp_path: Path) -> None:
    task, out = a_task(tmp_path)
    partials = temporary_outputs_of(task, "r", "w")
    Path(partials.names[out]).write_text("all of it")
    assert partials.put_in_place(make_result(7)).ok
    assert Path(out).read_text() == "all of it"
    assert [p.name for p in Path(out).parent.iterdir()] == ["a.zfp"]


def test_nothing_appears_when_it_failed_and_the_message_names_the_output(tmp_path: Path) -> None:
    task, out = a_task(tmp_path)
    partials = temporary_outputs_of(task, "r", "w")
    Path(partials.names[out]).write_text("half of")
    failed = make_result(7, "missing_output", message=f"no output {partials.names[out]}")
    assert partials.put_in_place(failed).message == f"no output {out}"
    assert not list(Path(out).parent.iterdir())


def test_an_output_that_cannot_be_put_in_place_is_a_missing_output(tmp_path: Path) -> None:
    task, out = a_task(tmp_path)
    Path(out).mkdir()
    (Path(out) / "in the way").touch()
    partials = temporary_outputs_of(task, "r", "w")
    Path(partials.names[out]).write_text("x")
    result = partials.put_in_place(make_result(7))
    assert result.kind == "missing_output"
    assert "cannot put in place" in result.message


def test_a_directory_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    task, out = a_task(tmp_path)
    Path(out).mkdir()
    (Path(out) / "old").touch()
    partials = temporary_outputs_of(task, "r", "w")
    Path(partials.names[out]).mkdir()
    (Path(partials.names[out]) / "new").touch()
    assert partials.put_in_place(make_result(7)).ok
    assert [p.name for p in Path(out).iterdir()] == ["new"]
    assert [p.name for p in Path(out).parent.iterdir()] == ["a.zfp"]


def test_what_killed_workers_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    task, out = a_task(tmp_path)
    ours, others = (temporary_outputs_of(task, run, "w").names[out] for run in ("r", "r2"))
    for name in (ours, others, out):
        Path(name).touch()
    remove_temporary_outputs("r", {str(Path(out).parent), str(tmp_path / "gone")})
    assert sorted(p.name for p in Path(out).parent.iterdir()) == [Path(others).name, "a.zfp"]


def test_without_the_option_nothing_is_changed(tmp_path: Path) -> None:
    task, _ = a_task(tmp_path)
    result = make_result(7)
    assert TemporaryOutputs({}).of(task) is task
    assert TemporaryOutputs({}).put_in_place(result) is result
