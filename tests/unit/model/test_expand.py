"""The tasks of a bag: how many there are, and what they contain."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpckit.errors import InputError
from hpckit.model.bag import Bag, bag_from_command, load_bag
from hpckit.model.expand import count, expand, task_settings
from hpckit.model.task import Task

from .bags import HOSTILE, bag_of, touch, write_bag

ECHO = '[task]\ncommand = ["echo", "{x}"]\n[each]\n'
COMPRESS = """
[task]
command = ["compress", "{field}", "{out}"]
outputs = ["{out}"]
[each]
field = { glob = "data/*.npy" }
tolerance = [1e-2, 1e-4]
[let]
out = "made/{field.stem}-{tolerance}.zfp"
"""


def words(bag: Bag) -> list[str]:
    return [task.argv[1] for task in expand(bag)]


def refused(bag: Bag) -> str:
    with pytest.raises(InputError) as caught:
        list(expand(bag))
    return str(caught.value)


def test_the_last_entry_of_each_varies_fastest(tmp_path: Path) -> None:
    bag = bag_of(tmp_path, ECHO.replace("{x}", "{b}{a}") + 'b = ["p", "q"]\na = [1, 2, 3]\n')
    assert words(bag) == ["p1", "p2", "p3", "q1", "q2", "q3"]
    assert count(bag) == 6
    assert [task.index for task in expand(bag)] == list(range(6))


def test_numbers_appear_as_the_file_writes_them(tmp_path: Path) -> None:
    bag = bag_of(tmp_path, ECHO + "x = [1e-2, 0.010, 1_000, 0x1F, +5, true, 1979-05-27]\n")
    assert words(bag) == ["1e-2", "0.010", "1_000", "0x1F", "+5", "true", "1979-05-27"]


def test_numbers_from_the_command_line_appear_as_written_too(tmp_path: Path) -> None:
    assert words(bag_of(tmp_path, ECHO + "x = [1]\n", each__x="[1e-2, 1_0]")) == ["1e-2", "1_0"]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ('{ range = "0-3" }', ["0", "1", "2", "3"]),
        ('{ range = "008-011" }', ["008", "009", "010", "011"]),
        ('{ range = "-2-1" }', ["-2", "-1", "0", "1"]),
        ('{ range = "0-9:4" }', ["0", "4", "8"]),
        ('{ range = "1-8", step = 3 }', ["1", "4", "7"]),
        ('{ range = "5-5" }', ["5"]),
    ],
)
def test_a_range_includes_both_ends(tmp_path: Path, entry: str, expected: list[str]) -> None:
    bag = bag_of(tmp_path, f"{ECHO}x = {entry}\n")
    assert words(bag) == expected
    assert count(bag) == len(expected)


def test_a_glob_gives_absolute_paths_sorted_whatever_their_names(tmp_path: Path) -> None:
    paths = touch(tmp_path / "d [1]" / "data", *HOSTILE)
    bag = bag_of(tmp_path / "d [1]", ECHO + 'x = { glob = "data/*.npy" }\n')
    assert words(bag) == paths
    assert count(bag) == len(HOSTILE)


def test_two_stars_match_directories(tmp_path: Path) -> None:
    paths = touch(tmp_path / "a" / "b", "x.npy") + touch(tmp_path / "a", "y.npy")
    assert words(bag_of(tmp_path, ECHO + 'x = { glob = "a/**/*.npy" }\n')) == sorted(paths)


def test_the_error_of_a_glob_without_matches_names_pattern_and_directory(tmp_path: Path) -> None:
    bag = bag_of(tmp_path, ECHO + 'x = { glob = "data/*.npy" }\n')
    for use in (count, refused):
        with pytest.raises((InputError, AssertionError)) as caught:
            raise AssertionError(use(bag))
        assert f"each.x: glob 'data/*.npy' matches nothing from {tmp_path}" in str(caught.value)
        assert f"{tmp_path}/data is not there." in str(caught.value)


def test_lines_of_a_file_are_not_changed(tmp_path: Path) -> None:
    lines = ["a b", "it's", '"q"', "größe", " lead", "trail ", "{x}", "$HOME"]
    (tmp_path / "f.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode() + b"\n\n\n")
    bag = bag_of(tmp_path, ECHO + 'x = { lines = "f.txt" }\n')
    assert words(bag) == lines
    assert count(bag) == len(lines)


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_bytes(b"a\nb\xff\n")
    (tmp_path / os.fsdecode(b"n\xff.dat")).touch()
    bag = bag_of(tmp_path, ECHO + 'x = { lines = "f.txt" }\n')
    with pytest.raises(InputError, match=r"f\.txt:2: b'b\\xff' is not UTF-8"):
        words(bag)
    bag = bag_of(tmp_path, ECHO + 'x = { glob = "*.dat" }\n')
    with pytest.raises(InputError, match=r"glob '\*\.dat': b'.*n\\xff\.dat' is not UTF-8"):
        words(bag)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "each.x: cannot read lines from {}/f.txt: No such file"),
        (b"", "each.x: {}/f.txt holds no lines"),
        (b"\n\n", "each.x: {}/f.txt holds no lines"),
        (b"a\n\0\n", "{}/f.txt:2: holds a zero byte"),
    ],
)
def test_a_bad_file_of_lines_is_an_error(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "f.txt").write_bytes(content)
    bag = bag_of(tmp_path, ECHO + 'x = { lines = "f.txt" }\n')
    assert message.format(tmp_path) in refused(bag)


def test_an_output_is_absolute_in_the_command_too(tmp_path: Path) -> None:
    touch(tmp_path / "data", "a b.npy")
    task = next(expand(bag_of(tmp_path, COMPRESS)))
    assert task.argv == ("compress", f"{tmp_path}/data/a b.npy", f"{tmp_path}/made/a b-1e-2.zfp")
    assert task.outputs == (f"{tmp_path}/made/a b-1e-2.zfp",)
    assert task.params == {"field": f"{tmp_path}/data/a b.npy", "tolerance": 0.01}


def test_a_word_written_as_an_output_is_that_output(tmp_path: Path) -> None:
    text = '[task]\ncommand = ["cp", "in/{x}", "out/{x}", "x/{x}"]\ninputs = ["in/{x}"]\n'
    bag = bag_of(tmp_path, text + 'outputs = ["out/{x}"]\n[each]\nx = ["a"]\n')
    assert next(expand(bag)).argv == ("cp", f"{tmp_path}/in/a", f"{tmp_path}/out/a", "x/a")


def test_a_line_that_is_an_input_starts_at_the_bag_s_directory(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("a\n/b\n")
    bag = bag_of(
        tmp_path,
        '[task]\ncommand = ["wc", "{x}"]\ninputs = ["{x}"]\n[each]\nx = { lines = "f" }\n',
    )
    assert words(bag) == [f"{tmp_path}/a", "/b"]


def test_a_program_with_a_slash_starts_at_the_bag_s_directory(tmp_path: Path) -> None:
    assert next(expand(bag_of(tmp_path, '[task]\ncommand = ["./a.out", "./b"]\n'))).argv == (
        f"{tmp_path}/a.out",
        "./b",
    )


def test_dots_after_a_link_are_resolved_by_the_file_system(tmp_path: Path) -> None:
    (tmp_path / "real" / "jobs").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "jobs")
    bag = load_bag(write_bag(tmp_path / "link", '[task]\ncommand = ["x"]\noutputs = ["../o"]\n'))
    assert next(expand(bag)).outputs == (f"{tmp_path}/real/o",)


def test_parts_braces_and_the_index_are_filled_in(tmp_path: Path) -> None:
    text = '[task]\ncommand = ["echo", "{x.name}|{x.stem}|{x.suffix}|{x.parent}|{{{index}}}|{d}"]\n'
    bag = bag_of(
        tmp_path, text + '[each]\nx = ["/p/q.tar.gz"]\n[let]\nd = "{e}!"\ne = "{x.stem}?"\n'
    )
    assert words(bag) == ["q.tar.gz|q.tar|.gz|/p|{0}|q.tar?!"]


def test_a_bag_without_each_is_one_task(tmp_path: Path) -> None:
    bag = bag_of(tmp_path, '[task]\ncommand = ["true"]\n')
    assert [task.argv for task in expand(bag)] == [("true",)]
    assert count(bag) == 1


def test_a_command_line_s_range_is_its_index(tmp_path: Path) -> None:
    bag = bag_from_command(["echo", "{index}"], range_="5-7", cwd=tmp_path)
    assert words(bag) == ["5", "6", "7"]
    bag = bag_from_command(["echo", "{index}:{line}"], lines=["a", "b"], cwd=tmp_path)
    assert words(bag) == ["0:a", "1:b"]


def test_two_tasks_that_would_write_the_same_file_are_both_named(tmp_path: Path) -> None:
    touch(tmp_path / "data", "a.npy", "b.npy")
    message = refused(bag_of(tmp_path, COMPRESS.replace("-{tolerance}", "")))
    data = f"{tmp_path}/data/a.npy"
    assert message == (
        f"tasks 0 (field={data}, tolerance=1e-2) and 1 (field={data}, tolerance=1e-4) would both "
        f"write {tmp_path}/made/a.zfp\nPut {{tolerance}} into the output's name."
    )


def test_other_spellings_of_a_path_are_the_same_file(tmp_path: Path) -> None:
    text = '[task]\ncommand = ["x"]\noutputs = ["{x}"]\n[each]\nx = ["o/a", "./o//a"]\n'
    assert "would both write" in refused(bag_of(tmp_path, text))


def test_one_task_may_name_an_output_twice(tmp_path: Path) -> None:
    bag = bag_of(tmp_path, '[task]\ncommand = ["x"]\noutputs = ["o", "./o"]\n')
    assert next(expand(bag)).outputs == (f"{tmp_path}/o",)


def test_a_path_that_becomes_empty_is_an_error(tmp_path: Path) -> None:
    text = '[task]\ncommand = ["x"]\noutputs = ["{x.suffix}"]\n[each]\nx = ["a.b", "c"]\n'
    assert refused(bag_of(tmp_path, text)) == "task 1: the path '{x.suffix}' is empty"


def test_mpi_is_refused_if_a_placeholder_gives_it(tmp_path: Path) -> None:
    bag = bag_of(tmp_path, '[task]\ncommand = ["{x}"]\n[each]\nx = ["ls", "mpirun"]\n')
    assert "task 1: 'mpirun' starts an MPI program" in refused(bag)


def keys(bag: Bag) -> list[str]:
    return [task.key for task in expand(bag)]


def test_keys_are_stable_and_differ_for_equal_tasks(tmp_path: Path) -> None:
    bag = bag_of(tmp_path, ECHO + 'x = ["a", "b", "a", "a"]\n')
    assert len(set(keys(bag))) == 4
    assert keys(bag) == keys(bag)
    shorter = bag_of(tmp_path, ECHO + 'x = ["a", "a", "b"]\n')
    assert set(keys(shorter)) < set(keys(bag))
    # A key that changes makes resumed runs forget what is done, so it is written down here.
    assert keys(bag_from_command(["echo", "{x}"], cwd=tmp_path, sets={"each.x": "[1]"})) == [
        "53c5fd6eb1e6d59424ac78c3"
    ]


def test_a_key_changes_with_the_command_the_parameters_and_the_paths(tmp_path: Path) -> None:
    variants = [
        '[task]\ncommand = ["a"]\n',
        '[task]\ncommand = ["b"]\n',
        '[task]\ncommand = ["a"]\noutputs = ["o"]\n',
        '[task]\ncommand = ["a"]\ninputs = ["o"]\n',
        '[task]\ncommand = ["a"]\n[each]\nx = [1]\n',
        '[task]\ncommand = ["a"]\n[each]\nx = [2]\n',
        '[task]\ncommand = ["a"]\n[each]\ny = [2]\n',
    ]
    found = [keys(bag_of(tmp_path, text))[0] for text in variants]
    assert len(set(found)) == len(variants)


@given(
    st.dictionaries(
        st.sampled_from("abc"),
        st.lists(st.integers(-3, 3) | st.text("xyz{} \"'\n", max_size=3), min_size=1, max_size=4),
        max_size=3,
    )
)
def test_there_is_one_task_for_each_element_of_the_product(each: dict[str, list[object]]) -> None:
    bag = Bag.model_validate(
        {"name": "b", "task": {"command": ["p", *(f"{{{n}}}" for n in each)]}, "each": each,
         "directory": "/d"}
    )  # fmt: skip
    expected = [tuple(map(str, row)) for row in itertools.product(*each.values())]
    tasks = list(expand(bag))
    assert [task.argv[1:] for task in tasks] == expected
    assert count(bag) == len(expected)
    assert len({task.key for task in tasks}) == len(expected)
    assert [Task.from_dict(task.to_dict()) for task in tasks] == tasks


FUNCTION = '[task]\nfunction = "my_tasks:Group.run"\n[each]\nx = [1e-2, 2]\nname = ["a"]\n'
MODULE = "class Group:\n    @staticmethod\n    def run(x, name, out):\n        return {}\n"


def test_a_function_gets_typed_values_and_derived_names(tmp_path: Path) -> None:
    (tmp_path / "my_tasks.py").write_text(MODULE)
    bag = bag_of(tmp_path, FUNCTION + '[let]\nout = "{name}-{x}"\n')
    assert [task.kwargs for task in expand(bag)] == [
        {"x": 0.01, "name": "a", "out": "a-1e-2"},
        {"x": 2, "name": "a", "out": "a-2"},
    ]
    assert [task.params["x"] for task in expand(bag)] == [0.01, 2]


def test_kwargs_chooses_the_arguments_and_keeps_their_types(tmp_path: Path) -> None:
    (tmp_path / "my_tasks.py").write_text(MODULE)
    kwargs = 'kwargs = { a = "{x}", b = "{x}!", c = [1, { d = "{name}", n = "{index}" }], e = 5 }\n'
    bag = bag_of(tmp_path, FUNCTION.replace("[each]", kwargs + "[each]"))
    assert next(expand(bag)).kwargs == {
        "a": 0.01, "b": "1e-2!", "c": [1, {"d": "a", "n": 0}], "e": 5,
    }  # fmt: skip


def test_a_key_changes_with_the_source_of_the_function_only(tmp_path: Path) -> None:
    (tmp_path / "my_tasks.py").write_text(MODULE)
    bag = bag_of(tmp_path, FUNCTION)
    before = keys(bag)
    (tmp_path / "my_tasks.py").write_text("import os\n\n\n" + MODULE)
    assert keys(bag) == before
    (tmp_path / "my_tasks.py").write_text(MODULE.replace("{}", "{'v': 2}"))
    assert keys(bag) != before


@pytest.mark.parametrize(
    "text",
    [
        "from .inner import *\n",
        "def __getattr__(name): ...\n",
        "run: object = print\n",
        "walk, (run, *rest) = print, (print, 1)\n",
    ],
)
def test_a_function_that_importing_may_define_is_accepted(tmp_path: Path, text: str) -> None:
    (tmp_path / "my_tasks.py").write_text(text)
    bag = bag_of(tmp_path, '[task]\nfunction = "my_tasks:run"\n')
    assert [task.function for task in expand(bag)] == ["my_tasks:run"]


def test_more_numbers_than_a_list_can_hold_are_counted(tmp_path: Path) -> None:
    assert count(bag_of(tmp_path, ECHO + 'x = { range = "1-10000000000000000000" }\n')) == 10**19


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("my_tasks:Group.rnu", "defines no 'Group.rnu'. Did you mean 'run'?"),
        ("my_tasks:run", "my_tasks.py defines no 'run'"),
        ("my_task:run", "no module 'my_task' in "),
        ("json.nothing:run", "no module 'json.nothing' in "),
        ("my_tasks", "'my_tasks' is not of the form module:name"),
        ("broken:run", "broken.py:2: "),
    ],
)
def test_a_missing_function_is_reported_before_anything_is_created(
    tmp_path: Path, function: str, message: str
) -> None:
    (tmp_path / "my_tasks.py").write_text(MODULE)
    (tmp_path / "broken.py").write_text("x = 1\ndef f(:\n")
    with pytest.raises(InputError) as caught:
        bag_of(tmp_path, f'[task]\nfunction = "{function}"\n')
    assert "bag.toml:2: task.function: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("function", ["math:sqrt", "os.path:join", "json:dumps", "sys:exit"])
def test_functions_of_the_standard_library_are_found_without_importing_them(
    tmp_path: Path, function: str
) -> None:
    assert count(bag_of(tmp_path, f'[task]\nfunction = "{function}"\n')) == 1


def test_a_module_is_not_executed_to_find_its_function(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "costly_module.py").write_text("raise SystemExit\ndef run(): ...\n")
    text = '[task]\nfunction = "costly_module:run"\n[environment]\npython_path = ["lib"]\n'
    assert count(bag_of(tmp_path, text)) == 1


def test_paths_of_the_task_settings_start_at_the_bag_s_directory(tmp_path: Path) -> None:
    text = """
[task]
command = ["x"]
timeout = "2m"
resources = { cores = 2, memory = "1 GiB", gpus = 1 }
[environment]
path = ["../bin", "/opt/bin"]
env = { MODE = "fast", LEVEL = 1e-2 }
launch = ["./wrap", "./arg"]
"""
    bag = load_bag(write_bag(tmp_path / "a b", text), cwd=Path("/home/ada"))
    settings = task_settings(bag, "run-1")
    assert settings.run == "run-1"
    assert settings.cwd == "/home/ada"
    assert settings.path == (f"{tmp_path}/bin", "/opt/bin")
    assert settings.env == {"MODE": "fast", "LEVEL": "1e-2"}
    assert settings.launch == (f"{tmp_path}/a b/wrap", "./arg")
    assert (settings.cores, settings.memory_mib, settings.gpus, settings.timeout_s) == (
        2,
        1024,
        1,
        120,
    )
    assert settings.python_path == ()


def test_a_task_may_ask_for_another_directory_or_a_private_one(tmp_path: Path) -> None:
    small = '[task]\ncommand = ["x"]\n'
    assert task_settings(bag_of(tmp_path, small + 'cwd = "w"\n'), "r").cwd == f"{tmp_path}/w"
    assert task_settings(bag_of(tmp_path, small + "scratch = true\n"), "r").cwd == ""


def test_a_function_s_module_may_be_beside_the_bag(tmp_path: Path) -> None:
    (tmp_path / "my_tasks.py").write_text(MODULE)
    bag = bag_of(tmp_path, FUNCTION + '[environment]\npython_path = ["lib"]\n')
    assert task_settings(bag, "r").python_path == (f"{tmp_path}/lib", str(tmp_path))


GROWTH = """
import resource, sys
from pathlib import Path
from hpckit.model.bag import load_bag
from hpckit.model.expand import count, expand
bag = load_bag(Path(sys.argv[1]))
next(expand(bag))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(count(bag), sum(1 for task in expand(bag)))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    ("last", "outputs", "limit_mib"),
    [(250, "[]", 4), (100, '["out/{x}/{y}"]', 20)],  # one hash per output is kept
)
def test_tasks_are_created_one_by_one_and_not_kept(
    tmp_path: Path, last: int, outputs: str, limit_mib: int
) -> None:
    text = f'[task]\ncommand = ["echo", "{{x}}", "{{y}}"]\noutputs = {outputs}\n'
    each = f'[each]\nx = {{ range = "1-1000" }}\ny = {{ range = "1-{last}" }}\n'
    ran = subprocess.run(
        [sys.executable, "-c", GROWTH, str(write_bag(tmp_path, text + each))],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    counted, expanded, grown_mib = map(int, ran.stdout.split())
    assert counted == expanded == 1000 * last
    assert grown_mib < limit_mib
