"""`atomic_outputs` is refused where the task cannot be given another name for its output."""

from __future__ import annotations

from pathlib import Path

import pytest

from hpckit.errors import InputError
from hpckit.model.bag import Bag
from hpckit.model.expand import expand
from hpckit.worker.task.atomic_outputs import temporary_outputs_of

from .bags import bag_of

REFUSED = "cannot let the task write to another name first"


def renamed(bag: Bag) -> bool:
    """Return True if the runner gives the first task another name for each of its outputs."""
    task = next(expand(bag))
    names = temporary_outputs_of(task, "r", "w").names
    changed = temporary_outputs_of(task, "r", "w").of(task)
    given = repr((changed.argv, changed.kwargs))
    return all(name in given for name in names.values())


def accepted(directory: Path, text: str) -> Bag | None:
    try:
        return bag_of(directory, text)
    except InputError as error:
        assert REFUSED in str(error)
        return None


@pytest.mark.parametrize(
    ("word", "good"),
    [
        ("{out}", True),
        ("-o={out}", True),
        ("x,{out}", True),
        ("'{out}'", True),
        ("{out},{index}", True),
        ("{arg}", True),
        ("-o={same}", True),
        ("-o{out}", False),
        ("-{out}", False),
        ("é{out}", False),
        ("/prefix{out}", False),
        ("../{out}", False),
        ("{out}.log", False),
        ("{out}-1", False),
        ("{index}{out}", False),
        ("{out}{index}", False),
        ("{out.name}", False),
        ("{glued}", False),
        ("{index}", False),
    ],
)
def test_an_output_is_accepted_exactly_if_the_runner_renames_it(
    tmp_path: Path, word: str, good: bool
) -> None:
    text = (
        f'[task]\ncommand = ["cc", "{word}"]\noutputs = ["{{out}}"]\natomic_outputs = true\n'
        '[let]\nout = "o/{index}.o"\narg = "--to={same}"\nsame = "{out}"\nglued = "-o{out}"\n'
    )
    bag = accepted(tmp_path, text)
    assert (bag is not None) == good
    free = bag_of(tmp_path, text.replace("atomic_outputs = true\n", ""))
    assert renamed(free) == good


@pytest.mark.parametrize(
    ("kwargs", "output", "good"),
    [
        ('{ to = "{out}" }', "{out}", True),
        ('{ deep = [{ to = "at {out}" }] }', "{out}", True),
        ('{ to = "/d/{index}" }', "/d/{index}", True),
        ('{ to = "o/{index}" }', "o/{index}", False),
        ('{ to = "at{out}" }', "{out}", False),
        ('{ to = "{index}" }', "{index}", False),
    ],
)
def test_an_output_among_the_arguments_of_a_function_is_its_whole_path(
    tmp_path: Path, kwargs: str, output: str, good: bool
) -> None:
    (tmp_path / "m.py").write_text("def f(**kwargs): ...\n")
    text = (
        f'[task]\nfunction = "m:f"\nkwargs = {kwargs}\noutputs = ["{output}"]\n'
        'atomic_outputs = true\n[let]\nout = "o/{index}"\n'
    )
    bag = accepted(tmp_path, text)
    assert (bag is not None) == good
    assert renamed(bag_of(tmp_path, text.replace("atomic_outputs = true\n", ""))) == good


@pytest.mark.parametrize(
    ("word", "good"), [("{index}", True), ("--to={index}", False), ("{index}.x", False)]
)
def test_an_output_that_is_the_index_must_be_a_word_of_the_command(
    tmp_path: Path, word: str, good: bool
) -> None:
    text = f'[task]\ncommand = ["x", "{word}"]\noutputs = ["{{index}}"]\natomic_outputs = true\n'
    assert (accepted(tmp_path, text) is not None) == good
    assert renamed(bag_of(tmp_path, text.replace("atomic_outputs = true\n", ""))) == good
