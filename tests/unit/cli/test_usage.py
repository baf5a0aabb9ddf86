"""Help, wrong words, exit codes, and what happens when stdout cannot be written."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from hpckit import cli
from hpckit.cli.app import app
from hpckit.errors import RunExistsError
from hpckit.launch.submit import Submitted
from hpckit.model.bag import Bag
from hpckit.model.plan import Plan
from hpckit.model.site_files import ResolvedSite
from hpckit.run.rundir import RunDir
from tests.unit.cli.conftest import MadeUp, Prompt

DOCS = Path(__file__).parents[3] / "docs" / "reference" / "commands.md"
NO_DOCUMENT = {"emulate shell"}  # runs what it is told to


def commands() -> Iterator[tuple[str, Any]]:
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        if hasattr(command, "commands"):
            for inner, leaf in command.commands.items():
                yield f"{name} {inner}", leaf
        else:
            yield name, command


COMMANDS = dict(commands())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_of_itself(prompt: Prompt, name: str) -> None:
    said = prompt(*name.split(), "--help")
    assert said.code == 0
    assert f"Example: hpckit {name}" in " ".join(said.out.split())
    if name not in NO_DOCUMENT:
        assert "--json" in said.out


@pytest.mark.parametrize("group", ["", "site", "emulate", "workers", "bench"])
def test_no_commands_first_sentence_is_cut_in_a_list(prompt: Prompt, group: str) -> None:
    said = prompt(*group.split(), "--help")
    assert "Example: hpckit" in said.out
    assert "..." not in said.out.partition("Commands:")[2]


@pytest.mark.parametrize("name", COMMANDS)
def test_docs_name_every_command_and_option(name: str) -> None:
    text = DOCS.read_text()
    section = text.partition(f"\n## `hpckit {name}`")[2].partition("\n## ")[0]
    assert section, f"docs/reference/commands.md has no section `hpckit {name}`"
    options = {word for p in COMMANDS[name].params for word in p.opts if word.startswith("--")}
    common = {"--help", "--json"}
    missing = {option for option in options - common if not re.search(rf"{option}\b", section)}
    assert not missing


@pytest.mark.parametrize("other", ["--json", "--write-docs"])
def test_a_check_of_the_documents_is_nothing_else(prompt: Prompt, other: str) -> None:
    said = prompt("bench", "summary", "--check", other)
    assert said.code == 2
    assert f"--check and {other} do not go together" in said.err


@pytest.mark.parametrize("wrong", ["--lif", "--nope"])
def test_a_wrong_option_of_bench_points_to_the_help_of_that_command(
    prompt: Prompt, wrong: str
) -> None:
    said = prompt("bench", "spot", wrong, "3")
    assert said.code == 2
    assert "See `hpckit bench spot --help`." in said.err


@pytest.mark.parametrize("time", ["40", "40s", "2m"])
def test_a_life_is_a_time_as_elsewhere(prompt: Prompt, time: str) -> None:
    said = prompt("bench", "spot", "--life", time, "--size", "4")
    assert "--size is 4, but must be within 8 and 512" in said.err  # it came as far as that


def test_docs_show_every_document() -> None:
    sources = Path(cli.__file__).parent.glob("*.py")
    schemas = {name for f in sources for name in re.findall(r'"(hpckit\.\w+/1)"', f.read_text())}
    assert len(schemas) > 10
    text = DOCS.read_text()
    assert not {name for name in schemas if f'"schema": "{name}"' not in text}


def test_the_documents_in_the_docs_are_json() -> None:
    blocks = re.findall(r"```json\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert blocks
    decoder = json.JSONDecoder()
    for block in blocks:
        rest = block.strip()
        while rest:  # some blocks hold several documents
            body, end = decoder.raw_decode(rest)
            assert body["schema"].startswith("hpckit.")
            rest = rest[end:].strip()


@pytest.mark.parametrize(
    ("words", "error", "advice"),
    [
        ("stauts", "no such command 'stauts'. Did you mean 'status'", "`hpckit --help`"),
        ("site shw", "no such command 'shw'. Did you mean 'show'?", "`hpckit site --help`"),
        ("submit x.toml --backnd ray", "no such option: --backnd", "--backend"),
        ("submit x.toml --backend rayy", "--backend is 'rayy', but must be one of: workqueue, ray",
         "Did you mean 'ray'?"),
        ("submit x.toml --shape tree", "--shape is 'tree', but must be one of: array, allocation",
         ""),
        ("submit x.toml --nodes 0", "--nodes is '0', but must be a whole number of at least 1", ""),
        ("submit x.toml --memory 5XB", "--memory: cannot read '5XB' as a memory size", '"2 GiB"'),
        ("submit x.toml --walltime 0s", "--walltime: duration '0s' is not a positive time", '"5m"'),
        ("submit x.toml --walltime 1.5", "--walltime: '1.5' has no unit", '"1.5m" or "1.5s"'),
        ("submit x.toml --walltime 30", "--walltime: '30' has no unit", '"30m" or "30s"'),
        ("submit x.toml --set a", "--set 'a' is no key=value", "--set task.timeout=10m"),
        ("submit x.toml", "there is no bag x.toml", ""),
        ("submit", "there is nothing to run", "hpckit submit BAG.toml"),
        ("submit ls", "ls is no bag file, but a program", "`hpckit submit -- ls ARG…`"),
        ("submit ls -l", "no such option: -l", "`hpckit submit -- ls -l`"),
        ("submit --range 1-3 echo {index}", "unexpected extra argument",
         "`hpckit submit -- echo '{index}'`"),
        ("submit x.toml -- ls", "both a bag (x.toml) and a command after -- are given", ""),
        ("submit x.toml --range 1-3", "--range go with a command after --", "[each]"),
        ("submit --range 5-1 -- echo {index}", "'5-1': it ends before it begins", ""),
        ("submit --range 1-3 -- echo {indx}", "unknown placeholder {indx}", "{index}"),
        ("submit --each-line no.txt -- ls", "--each-line: cannot read no.txt: No such file", ""),
        ("submit --range 1-3 --", "there is no command", ""),
        ("submit --site lcal -- ls", "site 'lcal' not found", "Did you mean 'local'?"),
        ("rm", "missing argument 'RUN'", "`hpckit rm --help`"),
        ("emulate shell sinfo", "unexpected extra argument", "hpckit emulate shell --"),
        ("emulate up --memory x", "--memory: cannot read 'x' as a memory size", ""),
        ("emulate shell -- no-such-program", "cannot run 'no-such-program'", ""),
        ("site show perlmuter", "Did you mean 'perlmutter'?", ""),
    ],
)  # fmt: skip
def test_a_wrong_command_line_is_told_what_is_needed(
    prompt: Prompt, monkeypatch: pytest.MonkeyPatch, words: str, error: str, advice: str
) -> None:
    monkeypatch.setattr("hpckit.emulator.control.find", lambda _name: _Cluster)
    monkeypatch.setattr("hpckit.emulator.control.shell_environment", lambda _found: {})
    said = prompt(*words.split())
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("hpckit: ") or "\nhpckit: " in said.err
    assert error in said.err
    assert advice in said.err


class _Cluster:
    bin_dir = Path("/nowhere")


def test_a_bad_value_is_told_once_with_its_remedy(prompt: Prompt, home: Path) -> None:
    (home / "work" / "bag.toml").write_text('[task]\ncommand = ["true"]\n')
    said = prompt("submit", "bag.toml", "--set", "task.timeout=5x")
    assert said.code == 2
    assert said.err == (
        "hpckit: --set task.timeout: cannot read '5x' as a duration. "
        'Write it as "90s", "5m", "1h30m" or "HH:MM:SS".\n'
    )


def test_a_working_directory_that_was_removed_is_named(prompt: Prompt, home: Path) -> None:
    (home / "work").rmdir()
    said = prompt("submit", "--dry-run", "--site", "local", "--", "true")
    assert said.code == 2
    assert said.err == "hpckit: the directory that you are in was removed; change to another\n"


def test_hpckit_alone_shows_the_help(prompt: Prompt) -> None:
    said = prompt()
    assert said.code == 2
    assert said.err.startswith("Usage: hpckit")


def test_options_behind_the_dashes_are_the_commands_and_this_is_said(prompt: Prompt) -> None:
    said = prompt(
        "submit", "--site", "local", "--dry-run", "--backend", "pool", "--", "ls", "--wait"
    )
    assert said.code == 0
    assert "--wait: behind --, so part of the command" in said.err


def test_a_dry_run_prints_every_script_and_touches_nothing(prompt: Prompt, home: Path) -> None:
    before = sorted(home.rglob("*"))
    words = ["submit", "--site", "local", "--backend", "workqueue", "--dry-run"]
    said = prompt(*words, "--range", "1-10", "--", "echo", "{index}")
    assert said.code == 0
    assert "==> head <==" in said.out
    assert "==> workers <==" in said.out
    body = prompt(*words, "--json", "--", "true").document
    assert set(body) == {"schema", "run", "run_dir", "notes", "plan", "scripts"}
    assert [script["name"] for script in body["scripts"]] == ["head", "workers"]
    assert sorted(home.rglob("*")) == before


def test_without_site_and_backend_it_is_said_which_were_taken(prompt: Prompt) -> None:
    said = prompt("submit", "--dry-run", "--", "true")
    assert re.search(r"^site: local \(", said.err, re.MULTILINE)
    assert re.search(r"^backend: ", said.err, re.MULTILINE)


def test_a_name_of_ours_that_another_submit_was_quicker_to_use_is_not_insisted_on(
    prompt: Prompt, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names: list[str] = []

    def slower(bag: Bag, site: ResolvedSite, plan: Plan) -> Submitted:
        names.append(plan.run)
        if len(names) < 3:
            raise RunExistsError(f"there is a run {plan.run!r} already")
        return Submitted(RunDir(home), ())

    monkeypatch.setattr("hpckit.api.start_run", slower)
    monkeypatch.setattr("hpckit.api.time.time", lambda: 1.0e9)
    said = prompt("submit", "--site", "local", "--", "true")
    first = names[0]
    assert (said.code, names) == (0, [first, f"{first}-2", f"{first}-3"])
    assert said.out == f"{first}-3\n"
    names.clear()
    said = prompt("submit", "--site", "local", "--name", "mine", "--", "true")
    assert (said.code, names) == (2, ["mine"])


def test_a_bad_site_file_hides_no_other_site(prompt: Prompt, home: Path) -> None:
    folder = home / "config" / "hpckit" / "sites"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text('extends = "slurm"\nacount = "x"\n')
    said = prompt("site", "list")
    assert said.code == 0
    assert "local" in said.out
    assert "mine.toml:2: unknown key 'acount'" in said.err
    names = [site["name"] for site in prompt("site", "list", "--json").document["sites"]]
    assert "mine" not in names


def test_a_site_file_can_be_checked_from_anywhere(prompt: Prompt, home: Path) -> None:
    file = home / "work" / "mine.toml"  # pytest's directories lie in /tmp, each node's own
    file.write_text('extends = "slurm"\n')
    said = prompt("site", "check", str(file))
    assert said.code == 0
    assert "scripts render with it" in said.err
    body = prompt("site", "check", str(file), "--json").document
    assert {"workqueue-array/head", "ray-allocation/allocation"} <= {
        script["name"] for script in body["scripts"]
    }


def test_site_show_names_where_values_come_from(prompt: Prompt) -> None:
    body = prompt("site", "show", "local", "--json").document
    scheduler = next(row for row in body["values"] if row["key"] == "scheduler")
    assert scheduler["value"] == "emulated"
    assert scheduler["origin"].endswith("local.toml:3")


def test_a_cluster_that_is_not_there_can_be_asked_for(prompt: Prompt) -> None:
    said = prompt("emulate", "status", "--cluster", "other")
    assert said.code == 0
    assert "start it with `hpckit emulate up --cluster other`" in said.out
    assert (
        "there was no cluster 'other'; known: none"
        in prompt("emulate", "down", "--cluster", "other").err
    )
    assert prompt("emulate", "status", "--json").document["running"] is False


def test_a_bug_is_a_plain_traceback_and_no_failed_task(
    prompt: Prompt, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from hpckit.cli.main import run

    def broken() -> None:
        raise RuntimeError("oh")

    monkeypatch.setattr("hpckit.run.find_run.all_runs", broken)
    assert run(["list"]) == 3
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert "RuntimeError: oh\nhpckit: this is a bug of hpckit" in err
    assert "─" not in err


def hpckit(words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run a shell line in which ``hpckit`` is ours."""
    shell = f'hpckit() {{ "{sys.executable}" -m hpckit.cli "$@"; }}; {words}'
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", shell],
        capture_output=True,
        text=True,
        check=False,
        cwd=home / "work",
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


@pytest.mark.parametrize("reader", ["head -n 1", "true"])
def test_a_reader_that_goes_away_is_no_error(home: Path, reader: str) -> None:
    done = hpckit(f"hpckit site show slurm --json | {reader}", home)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
@pytest.mark.parametrize("words", ["site list", "--help"])
def test_a_full_disk_behind_stdout_is_said_in_one_line(home: Path, words: str) -> None:
    done = hpckit(f"hpckit {words} >/dev/full", home)
    assert done.returncode == 3
    assert done.stderr == "hpckit: cannot write to stdout: No space left on device\n"


def test_a_closed_stdout_is_no_error(home: Path) -> None:
    done = hpckit("hpckit site list >&-", home)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_loads_nothing_heavy(home: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "hpckit.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    heavy = {"rich", "pydantic", "msgspec", "jinja2", "submitit", "ray", "psutil", "ClusterShell"}
    assert not loaded & heavy


def test_what_stands_behind_two_dashes_is_an_argument_of_commands_that_run_none(
    made_up: Callable[..., MadeUp], prompt: Prompt
) -> None:
    made_up("old")
    made_up("new")
    assert prompt("status", "--", "old").out.startswith("old: ")
    assert "old is cancelled" in prompt("cancel", "--", "old").err
    assert prompt("status", "new").out.startswith("new: waiting")


def test_messages_that_nobody_can_read_change_nothing(home: Path) -> None:
    said = hpckit("hpckit submit --dry-run -- true 2>/dev/full", home)
    assert (said.returncode, said.stdout.splitlines()[0].split()[0]) == (0, "run")
    assert hpckit("hpckit submit --dry-run -- true 2>&-", home).returncode == 0
    assert hpckit("hpckit submit --nonsense 2>/dev/full", home).returncode == 2


def test_a_document_is_json_whatever_stdout_can_write(home: Path) -> None:
    line = "hpckit submit --dry-run --json --set environment.env.WHO=Grüße -- true"
    body = json.loads(hpckit(f"PYTHONIOENCODING=ascii {line}", home).stdout)
    assert body["plan"]["surroundings"]["env"] == {"WHO": "Grüße"}


def test_lines_from_a_closed_stdin_are_told(home: Path) -> None:
    said = hpckit("hpckit submit --dry-run --each-line - -- echo {line} <&-", home)
    assert said.returncode == 2
    assert "there is no stdin to read" in said.stderr
