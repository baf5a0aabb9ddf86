"""Bag files: which are valid, and how faults are reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hpckit.errors import InputError
from hpckit.model.bag import bag_from_command, load_bag
from hpckit.model.retries import Retries

from .bags import bag_of, write_bag

# The example of the design, as users meet it in the documentation.
EXAMPLE = """\
name = "sea-ice"
[task]
command = ["compress_task", "compress", "{field}", "-o", "{out}", "--tolerance", "{tolerance}"]
outputs = ["{out}"]
timeout = "5m"
[task.resources]
cores = 1
memory = "500 MB"
[each]                                  # one task per element of the product
field = { glob = "data/*.npy" }
tolerance = [1e-2, 1e-4]
[let]                                   # derived names
out = "compressed/{field.stem}-{tolerance}.zfp"
[retries]
error = 1
memory = { times = 2, grow = 2.0 }
[environment]
modules = ["gcc/13"]
setup = ["source env.sh"]
launch = ["apptainer", "exec", "img.sif"]   # put before each task's command
[workers]                               # what the bag would like; site and flags may override
count = 4
cores = 8
walltime = "1h"
"""
SMALL = '[task]\ncommand = ["true"]\n'


def fault(directory: Path, text: str, **sets: str) -> str:
    with pytest.raises(InputError) as caught:
        bag_of(directory, text, **sets)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_the_design_s_example_loads(tmp_path: Path) -> None:
    bag = bag_of(tmp_path, EXAMPLE)
    assert bag.name == "sea-ice"
    assert bag.task.timeout_s == 300
    assert (bag.task.resources.cores, bag.task.resources.memory_mib) == (1, 477)
    assert bag.retries == Retries(error=1, memory=2, memory_grow=2.0)
    assert bag.environment.launch == ("apptainer", "exec", "img.sif")
    assert (bag.workers.count, bag.workers.cores, bag.workers.walltime_s) == (4, 8, 3600)
    assert bag.workers.memory_mib is None
    assert bag.directory == str(tmp_path)


def test_the_run_directory_s_copy_equals_the_file(tmp_path: Path) -> None:
    copy = json.loads(bag_of(tmp_path, EXAMPLE).to_json())
    assert (copy["name"], copy["directory"]) == ("sea-ice", str(tmp_path))
    assert copy["task"]["timeout"] == 300
    assert copy["each"] == {
        "field": {"glob": "data/*.npy"},
        "tolerance": {"items": [0.01, 0.0001], "texts": ["1e-2", "1e-4"]},
    }
    assert copy["retries"]["memory"] == {"times": 2, "grow": 2.0}


def test_a_bag_without_a_name_gets_the_name_of_its_file(tmp_path: Path) -> None:
    assert load_bag(write_bag(tmp_path, SMALL, "my übag (2).toml")).name == "my-bag-2"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("tiemout = 3", "unknown key 'tiemout' in [task]; known: atomic_outputs, command, cwd, "
         "function, inputs, kwargs, outputs, resources, scratch, timeout. Did you mean 'timeout'?"),
        ("timeout = true", 'task.timeout: true is not a duration such as "90s", "5m"'),
        ('timeout = "5 parsecs"', "task.timeout: cannot read '5 parsecs' as a duration"),
        ("timeout = 0", "task.timeout: duration 0 is not a positive time"),
        ("outputs = 'x'", "task.outputs is the string 'x', but must be a list of strings"),
        ("outputs = [3]", "task.outputs[0] is the number 3, but must be a string"),
        ("resources.cores = 0", "task.resources.cores is the number 0, but must be a whole number "
         "of at least 1"),
        ('resources.cores = "2"', "task.resources.cores is the string '2', but must be a whole"),
        ("resources.cores = 1.5", "task.resources.cores is the number 1.5, but must be a whole"),
        ('resources.memory = "lots"', "task.resources.memory: cannot read 'lots' as a memory"),
        ("resources = 4", "task.resources is the number 4, but must be a table: cores, memory"),
        ("scratch = 1", "task.scratch is the number 1, but must be true or false"),
        ('outputs = ["{ot}"]', "unknown placeholder {ot}; known: {index}."),
        ('outputs = ["{"]', "'{' has a lone '{'; write {{ and }} for braces themselves"),
        ('outputs = ["a\\u0000b"]', "task.outputs[0]: holds a zero byte"),
        ('kwargs = { a = 1 }', "task.kwargs goes only with task.function"),
        ('function = "m:f"', "[task] must have either command or function; it has both"),
    ],
)  # fmt: skip
def test_a_fault_names_the_line_the_key_and_what_is_allowed(
    tmp_path: Path, line: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    message = fault(tmp_path, f"# a comment\n\n{SMALL}{line}\n")
    at = 3 if "either command" in words else 5
    assert message.startswith(f"bag.toml:{at}: ")
    assert words in message.replace("task.outputs[0] holds", "task.outputs[0]: holds")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("[]", "each.x is an empty list, so there is nothing to run over"),
        ("[[1]]", "each.x holds a list of 1, but may hold only strings, numbers and booleans"),
        ("[nan]", "each.x holds nan, which is no number; write it as a string"),
        ("{}", "each.x has the keys none, but must be a list, { glob ="),
        ('{ gob = "*" }', "each.x: unknown key 'gob'; an entry is a list, { glob ="),
        ("{ glob = 3 }", "each.x: glob is the number 3, but must be a path"),
        ('{ glob = "*", lines = "f" }', "each.x has the keys glob, lines, but must be"),
        ('{ glob = "*", step = 2 }', "each.x has the keys glob, step, but must be"),
        ('{ range = "9-0" }', "each.x: range is the string '9-0': it ends before it begins"),
        ('{ range = "1..3" }', 'but must be "FIRST-LAST" or "FIRST-LAST:STEP"'),
        ('{ range = "1-3:0" }', "its step must be at least 1"),
        ('{ range = "1-3", step = 0 }', "each.x: step is the number 0, but must be a whole number"),
        ('{ range = "1-3:2", step = 2 }', "so it has its step already"),
        ('{ zip = ["a"] }', "each.x: 'zip' is not supported yet"),
        ('{ csv = "t.csv" }', "each.x: 'csv' is not supported yet"),
        ('{ jsonl = "t.jsonl" }', "each.x: 'jsonl' is not supported yet"),
    ],
)
def test_an_entry_of_each_of_no_known_form_is_a_fault(
    tmp_path: Path, entry: str, words: str
) -> None:
    message = fault(tmp_path, f"{SMALL}[each]\nx = {entry}\n")
    assert "bag.toml:4: " in message
    assert words in message


def test_a_near_miss_of_a_form_is_suggested(tmp_path: Path) -> None:
    assert "Did you mean 'glob'?" in fault(tmp_path, f'{SMALL}[each]\nx = {{ gob = "*" }}\n')


@pytest.mark.parametrize(
    "launcher", ["mpirun", "mpiexec", "srun", "/usr/bin/mpirun", "mpiexec.hydra"]
)
def test_mpi_is_refused_by_name(tmp_path: Path, launcher: str) -> None:
    message = fault(tmp_path, f'[task]\ncommand = ["{launcher}", "-n", "4", "x"]\n')
    assert f"{launcher!r} starts an MPI program, which hpckit does not run" in message
    message = fault(tmp_path, f'{SMALL}[environment]\nlaunch = ["{launcher}"]\n')
    assert "starts an MPI program" in message


def test_the_first_of_several_faults_is_reported_and_the_others_are_counted(
    tmp_path: Path,
) -> None:
    text = f'wokers = 1\n{SMALL}timeout = "x"\nresources.gpu = 1\n'
    message = fault(tmp_path, text)
    assert "bag.toml:1: unknown key 'wokers'" in message
    assert "Did you mean 'workers'?" in message
    assert "2 more faults in " in message


def test_a_missing_task_and_a_missing_command_are_faults(tmp_path: Path) -> None:
    assert "task is missing: a table with `command` or `function`" in fault(tmp_path, "name='x'")
    assert "either command or function; it has neither" in fault(tmp_path, "[task]\ninputs = []")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('name = "x"\n[task\n', 2, "not TOML: Expected ']' at the end of a table declaration"),
        ("a = 1\na = 2\n", 2, "not TOML: Cannot overwrite a value"),
        ('a = """x\ny\n', 2, "not TOML: "),
    ],
)
def test_a_syntax_error_names_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    message = fault(tmp_path, text)
    assert f"bag.toml:{line}: " in message
    assert words in message


def test_a_file_that_is_not_utf8_is_reported_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "bag.toml"
    path.write_bytes(b'name = "x"\n# caf\xe9\n')
    with pytest.raises(InputError, match=r"bag\.toml:2: not UTF-8"):
        load_bag(path)


def test_the_error_of_a_missing_file_lists_the_existing_ones(tmp_path: Path) -> None:
    write_bag(tmp_path, SMALL, "sea_ice.toml")
    with pytest.raises(InputError, match=r"there is no bag .*ice\.toml\nThere are: sea_ice\.toml"):
        load_bag(tmp_path / "ice.toml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[let]\na = "{b}"\nb = "{a}"\n', "let.a is defined by itself: a → b → a"),
        ('[let]\na = "{a.stem}"\n', "let.a is defined by itself: a → a"),
        ('[each]\na = [1]\n[let]\na = "x"\n', "let.a: [each] has that name already"),
        ('[let]\nindex = "x"\n', "let.index: {index} is each task's number already"),
        ('[each]\n"a b" = [1]\n', "each.'a b': a name begins with a letter or '_'"),
        ('[let]\na = "{index.stem}"\n', "{index} is a number, it has no parts"),
    ],
)
def test_invalid_names_are_faults(tmp_path: Path, text: str, words: str) -> None:
    assert words in fault(tmp_path, SMALL + text)


@pytest.mark.parametrize("name", ["a b", "-x", "a/b", "é", "x" * 65, "", "a\\nb"])
def test_a_bag_s_name_must_fit_a_job_s_name(tmp_path: Path, name: str) -> None:
    assert "but must be of letters, digits" in fault(tmp_path, f'name = "{name}"\n{SMALL}')


@pytest.mark.parametrize(
    ("kwargs", "words"),
    [
        ("{ cutoff = inf }", "task.kwargs.cutoff is inf"),
        ("{ cutoff = 1e999 }", "task.kwargs.cutoff is inf"),
        ("{ deep = { list = [1.0, -inf, nan] } }", "task.kwargs.deep.list[1] is -inf"),
    ],
)
def test_an_argument_that_json_cannot_express_is_a_fault(
    tmp_path: Path, kwargs: str, words: str
) -> None:
    (tmp_path / "m.py").write_text("def f(**kwargs): ...\n")
    message = fault(tmp_path, f'[task]\nfunction = "m:f"\nkwargs = {kwargs}\n')
    assert f"bag.toml:3: {words}, which is no number; write it as a string" in message


def test_scratch_and_cwd_exclude_each_other(tmp_path: Path) -> None:
    message = fault(tmp_path, f'{SMALL}scratch = true\ncwd = "x"\n')
    assert "task.cwd and task.scratch exclude one another" in message


def test_set_overwrites_and_adds_keys_by_their_dotted_name(tmp_path: Path) -> None:
    bag = bag_of(
        tmp_path, EXAMPLE, task__timeout="90s", each__tolerance="[1e-3]", workers__count="2",
        task__resources__gpus="1", let__out="a = b.zfp", name="other",
    )  # fmt: skip
    assert bag.task.timeout_s == 90
    assert bag.each["tolerance"].model_dump() == {"items": (0.001,), "texts": ("1e-3",)}
    assert bag.workers.count == 2
    assert bag.task.resources.gpus == 1
    assert bag.let["out"] == "a = b.zfp"
    assert bag.name == "other"


def test_a_fault_in_set_is_reported_as_one_of_set(tmp_path: Path) -> None:
    assert "--set tsk.timeout: unknown key 'tsk'" in fault(tmp_path, SMALL, tsk__timeout="5m")
    assert "--set name.x: 'name' is not a table" in fault(
        tmp_path, f"name='a'\n{SMALL}", name__x="1"
    )
    with pytest.raises(InputError, match=r"--set 'a b' is not a key\nWrite --set task.timeout=5m"):
        load_bag(write_bag(tmp_path, SMALL), {"a b": "1"})


def test_a_line_break_in_set_does_not_add_a_second_key(tmp_path: Path) -> None:
    message = fault(tmp_path, SMALL, workers__count="1\ncores = 2")
    assert "workers.count is the string '1\\ncores = 2'" in message


def test_keys_that_hpckit_sets_are_not_allowed_in_the_file(tmp_path: Path) -> None:
    message = fault(tmp_path, f'submitted_from = "/"\n{SMALL}')
    assert "bag.toml:1: unknown key 'submitted_from'" in message
    assert "directory" not in fault(tmp_path, f"nmae = 'x'\n{SMALL}")


def test_a_bag_from_a_command_line(tmp_path: Path) -> None:
    bag = bag_from_command(["/usr/bin/gzip", "-9", "{line}"], lines=["a b", "c"], cwd=tmp_path)
    assert bag.name == "gzip"
    assert bag.task.command == ("/usr/bin/gzip", "-9", "{line}")
    assert bag.directory == bag.submitted_from == str(tmp_path)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ([], "there is no command"),
        (["echo", "{lin}"], r"the command line: unknown placeholder \{lin\}; known: \{line\}"),
        (["mpirun", "x"], "the command line: 'mpirun' starts an MPI program"),
    ],
)
def test_a_bad_command_line_is_an_error(tmp_path: Path, argv: list[str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        bag_from_command(argv, lines=["x"], cwd=tmp_path)
    with pytest.raises(InputError, match="there are no lines"):
        bag_from_command(["x"], lines=[], cwd=tmp_path)


@pytest.mark.parametrize(
    ("task", "rest"),
    [
        ('command = ["x", "--to={out}"]\noutputs = ["{out}"]', '[let]\nout = "a/{index}"'),
        ('command = ["x", "a.txt"]\noutputs = ["a.txt"]', ""),
        (
            'command = ["x", "{arg}"]\noutputs = ["{out}"]',
            '[let]\nout = "a/{index}"\narg = "--to={out}"',
        ),
    ],
)
def test_atomic_outputs_need_outputs_that_the_command_names(
    tmp_path: Path, task: str, rest: str
) -> None:
    text = f"[task]\n{task}\natomic_outputs = true\n{rest}\n"
    assert bag_of(tmp_path, text).task.atomic_outputs
    message = fault(tmp_path, text.replace('["x",', '["x"] #'))
    assert "does not occur in the command" in message


def test_atomic_outputs_without_outputs_are_a_fault(tmp_path: Path) -> None:
    assert "needs task.outputs" in fault(tmp_path, f"{SMALL}atomic_outputs = true\n")


def test_a_bag_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = write_bag(tmp_path, SMALL)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_bag(path).task.command == ("true",)
