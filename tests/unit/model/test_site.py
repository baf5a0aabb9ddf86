"""Sites are merged from their files and recognised, and faults are reported."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hpckit.errors import InputError
from hpckit.model.site_files import (
    Site,
    expand_variables,
    known_sites,
    load_site,
    load_site_file,
    recognise,
)

Write = Callable[[str, str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Return a function that writes a site of the project or the user, in a new home."""
    project, user = tmp_path / "project", tmp_path / "config"
    project.mkdir()
    monkeypatch.chdir(project)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(user))
    folders = {"project": project / "hpckit-sites", "user": user / "hpckit" / "sites"}

    def put(where: str, name: str, text: str) -> Path:
        folders[where].mkdir(parents=True, exist_ok=True)
        path = folders[where] / f"{name}.toml"
        path.write_text(text)
        return path

    return put


def message(name: str) -> str:
    with pytest.raises(InputError) as caught:
        load_site(name)
    return str(caught.value)


@pytest.mark.parametrize("name", ["local", "slurm", "perlmutter"])
def test_every_shipped_site_loads_and_survives_its_json(write: Write, name: str) -> None:
    site = load_site(name).site
    assert site.name == name
    assert site.description
    assert Site.from_json(site.to_json()) == site


def test_local_is_four_emulated_nodes_of_two_cpus_and_4000_mb(write: Write) -> None:
    site = load_site("local").site
    assert site.scheduler == "emulated"
    shape = site.emulated
    assert (shape.nodes, shape.cpus, shape.memory_mib) == (4, 2, 4000)
    queue = site.partitions[site.default_partition]
    assert (queue.max_nodes, queue.cores, queue.memory_mib) == (4, 2, 4000)


def test_perlmutter_s_queues_are_qoses_without_a_partition(write: Write) -> None:
    site = load_site("perlmutter").site
    debug = site.partitions["debug"]
    assert (debug.partition, debug.qos, debug.max_walltime_s, debug.max_nodes) == (
        "", "debug", 1800, 8,
    )  # fmt: skip
    assert site.require == ("account",)
    assert site.constraint == "cpu"


def test_the_user_s_site_overrides_the_project_s_and_that_the_shipped_one_key_by_key(
    write: Write, tmp_path: Path
) -> None:
    write("project", "perlmutter", 'account = "m1"\nqos = "x"\n[partitions.debug]\nmax_nodes = 2\n')
    mine = write("user", "perlmutter", '\naccount = "m2"\n[limits]\nmax_array_size = 5\n')
    found = load_site("perlmutter")
    assert (found.site.account, found.site.qos) == ("m2", "x")
    assert found.site.partitions["debug"].max_nodes == 2
    assert found.site.partitions["debug"].max_walltime_s == 1800
    assert found.origins["account"] == f"{mine}:2"
    assert found.origins["qos"] == "hpckit-sites/perlmutter.toml:2"
    assert found.origins["partitions.debug.max_nodes"] == "hpckit-sites/perlmutter.toml:4"
    assert re.search(r"site_configs/perlmutter\.toml:\d+$", found.origins["partitions.debug.qos"])
    assert "name" not in found.origins


def test_a_site_starts_from_what_it_extends_but_is_recognised_by_its_own_match(
    write: Write,
) -> None:
    write("user", "mine", 'extends = "perlmutter"\naccount = "m3"\n')
    write("user", "ours", 'extends = "mine"\naccount = "m4"\n')
    found = load_site("ours")
    assert found.site.account == "m4"
    assert found.site.partitions.keys() == load_site("perlmutter").site.partitions.keys()
    assert found.site.match.environment == {}
    assert found.site.description == ""
    assert "ours.toml:2" in found.origins["account"]
    assert "perlmutter.toml" in found.origins["run_root"]


def test_a_list_replaces_the_overridden_list(write: Write) -> None:
    write("user", "mine", 'extends = "perlmutter"\n[directives]\nsuppress = []\n')
    site = load_site("mine").site
    assert site.directives.suppress == ()
    assert site.directives.add == load_site("perlmutter").site.directives.add


def test_the_error_of_sites_that_extend_each_other_says_what_to_do(write: Write) -> None:
    write("user", "a", 'extends = "b"\n')
    write("user", "b", '\nextends = "a"\n')
    assert "extends goes in a circle: a → b → a" in message("a")
    write("user", "slurm", 'extends = "slurm"\n')
    assert "slurm → slurm\nTo change single keys of a known site, give the file" in message("slurm")


def test_extending_an_unknown_site_names_the_file_and_a_suggestion(write: Write) -> None:
    write("project", "a", 'extends = "perlmuter"\n')
    assert message("a") == (
        "hpckit-sites/a.toml:1: extends: site 'perlmuter' not found; known: a, local, perlmutter, "
        "slurm. Did you mean 'perlmutter'?"
    )


def test_the_error_of_an_unknown_site_lists_the_known_ones(write: Write) -> None:
    assert message("perlmuter") == (
        "site 'perlmuter' not found; known: local, perlmutter, slurm. Did you mean 'perlmutter'?"
    )
    assert "not found" in message("../local")
    assert known_sites() == ["local", "perlmutter", "slurm"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('schedular = "slurm"', "a.toml:2: unknown key 'schedular' in the top level; known: acc"),
        ('schedular = "slurm"', "Did you mean 'scheduler'?"),
        ('scheduler = "pbs"', 'scheduler is the string \'pbs\', but must be "slurm" or "emul'),
        ('name = "b"', "the file's name is the site's name; leave `name` out"),
        (
            "[partitions.x]\nmax_walltme = 1",
            "a.toml:3: unknown key 'max_walltme' in [partitions.x]",
        ),
        ("[partitions.x]\nmax_walltme = 1", "Did you mean 'max_walltime'?"),
        ("[partitions.x]\ncores = -1", "partitions.x.cores is the number -1, but must be a whole"),
        (
            'default_partition = "x"',
            "a.toml:2: default_partition is 'x', but the partitions are: none",
        ),
        ('directives.add = ["-n 4"]', "directives.add[0]: '-n 4' is no long option of sbatch"),
        ('directives.add = ["--a=x\\ny"]', "holds a line break"),
        ("port_range = [80, 90]", "port_range: [80, 90] is no range within 1024 to 65535"),
        ("port_range = [5000]", "port_range[1] is missing: two port numbers"),
        ('require = ["acount"]', "require[0] is the string 'acount', but must be a list out of"),
        ("compute_nodes_submit = 1", "compute_nodes_submit is the number 1, but must be true or"),
        ('[limits]\nmax_array_size = "1k"', "limits.max_array_size is the string '1k', but must"),
        ("extends = 3", "extends is the number 3, but must be the name of a site"),
        ('emulated.kill_wait = "-1s"', "emulated.kill_wait: cannot read '-1s' as a duration"),
        ("emulated.kill_wait = -1", "emulated.kill_wait: duration -1 is not a positive time"),
        ("emulated.kill_wait = true", "emulated.kill_wait: true is not a duration such as"),
    ],
)
def test_a_fault_names_file_line_key_and_what_is_allowed(
    write: Write, text: str, words: str
) -> None:
    write("project", "a", f"# a site\n{text}\n")
    assert words in message("a")
    assert message("a").startswith("hpckit-sites/a.toml:")


def test_one_file_is_checked_together_with_what_it_extends(write: Write, tmp_path: Path) -> None:
    path = tmp_path / "new site.toml"
    path.write_text('extends = "perlmutter"\ndefault_partition = "debug"\n')
    found = load_site_file(path)
    assert found.site.default_partition == "debug"
    assert found.origins["default_partition"] == f"{path}:2"
    path.write_text("scheduler = 1\n")
    with pytest.raises(InputError, match=r"new site\.toml:1: scheduler is the number 1"):
        load_site_file(path)


def never() -> bool:
    raise AssertionError("Slurm must not be asked when a site fits")


def test_a_site_that_matches_is_chosen_without_asking_slurm(write: Write) -> None:
    name, reason = recognise({"NERSC_HOST": "perlmutter"}, "login01", never)
    assert (name, reason) == ("perlmutter", "$NERSC_HOST is 'perlmutter'")


def test_without_a_matching_site_it_is_slurm_if_there_is_one_else_local(write: Write) -> None:
    assert recognise({}, "laptop", lambda: True)[0] == "slurm"
    name, reason = recognise({"NERSC_HOST": "cori"}, "laptop", lambda: False)
    assert name == "local"
    assert "no Slurm answers" in reason


def test_all_kinds_of_match_must_match_by_any_of_their_entries(
    write: Write, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.touch()
    write(
        "user", "mine",
        f'[match]\nhostnames = ["x", "login*"]\nfiles = ["/nowhere", "{there}"]\n'
        'environment = { A = "*", B = "b?" }\n',
    )  # fmt: skip
    good = {"A": "", "B": "b1"}
    assert recognise(good, "login7", never)[0] == "mine"
    for environ, hostname in (({"B": "b1"}, "login7"), (good, "node7"), ({**good, "B": "c"}, "x")):
        assert recognise(environ, hostname, lambda: False)[0] == "local"
    there.unlink()
    assert recognise(good, "login7", lambda: False)[0] == "local"


def test_several_matching_sites_leave_the_choice_to_the_user(write: Write) -> None:
    for name in ("a", "b"):
        write("user", name, '[match]\nhostnames = ["*"]\n')
    with pytest.raises(InputError, match=r"several sites fit this machine: a, b\nChoose with --s"):
        recognise({}, "x", never)


def test_a_faulty_file_of_one_site_does_not_stop_another(write: Write) -> None:
    write("user", "draft", "nonsense = 1\n")
    name, reason = recognise({}, "laptop", lambda: False)
    assert name == "local"
    assert "site 'draft' was left out: " in reason
    with pytest.raises(InputError, match="nonsense"):
        load_site("draft")


def test_variables_in_paths_are_expanded_and_missing_ones_are_errors() -> None:
    environ = {"SCRATCH": "/s/a b", "HOME": "/home/ada", "EMPTY": ""}
    assert expand_variables("$SCRATCH/r", environ) == "/s/a b/r"
    assert expand_variables("${SCRATCH}2/$HOME", environ) == "/s/a b2//home/ada"
    assert expand_variables("~/r", environ) == "/home/ada/r"
    assert expand_variables("/a~b/$", environ) == "/a~b/$"
    with pytest.raises(InputError, match=r"run_root is '\$EMPTY/r', but \$EMPTY is not set"):
        expand_variables("$EMPTY/r", environ, "run_root")
