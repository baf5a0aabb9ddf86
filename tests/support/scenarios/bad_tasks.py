"""A bag in which tasks fail in every way: each failure is reported, all others are done."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.support.slurm_site import SlurmSite

__all__ = ["test_each_bad_task_is_named_and_all_others_are_done"]

SCRIPT = """#!/bin/sh
echo "task $1 speaks on stderr" >&2
case "$0" in
  */fails*) exit 3 ;;
  */hangs*) sleep 300 & sleep 300 ;;
  */crashes*) kill -SEGV $$ ;;
  */silent*) exit 0 ;;
  *) echo "$1" > "out/$1" ;;
esac
"""
BAG = """
[task]
command = ["{program}", "{index}"]
outputs = ["out/{index}"]
timeout = "2s"
[each]
program = { lines = "programs.txt" }
"""
KINDS = {
    "fails": "error",
    "hangs": "timeout",
    "crashes": "signal",
    "silent": "missing_output",
    "absent": "not_found",
}
TASKS = 60
OF_EACH = 3


def write_bag(root: Path) -> list[str]:
    """Write the bag and its programs; return the behaviour of each task."""
    what = [kind for kind in KINDS for _ in range(OF_EACH)]
    what += ["works"] * (TASKS - len(what))
    what = [what[(7 * i) % TASKS] for i in range(TASKS)]  # mixed, the same way each time
    programs = []
    for index, kind in enumerate(what):
        program = root / f"{kind} {index}"  # a hostile name: it has a space
        programs.append(str(program))
        if kind != "absent":
            program.write_text(SCRIPT)
            program.chmod(0o755)
    (root / "programs.txt").write_text("\n".join(programs) + "\n")
    (root / "mixed.toml").write_text(BAG)
    return what


@pytest.mark.parametrize("shape", ["array", "allocation"])
@pytest.mark.parametrize("backend", ["workqueue", "ray"])
def test_each_bad_task_is_named_and_all_others_are_done(
    slurm_site: SlurmSite, backend: str, shape: str
) -> None:
    name = f"mixed-{backend}-{shape}"
    root = slurm_site.directory(name)
    what = write_bag(root)
    words = ["--backend", backend, "--site", slurm_site.site, "--shape", shape, "--name", name]
    answer = slurm_site.hpckit("submit", "mixed.toml", *words, "--wait", cwd=root)
    assert answer.code == 1, answer.stderr
    status = slurm_site.status(name)
    bad = OF_EACH * len(KINDS)
    assert status["state"] == "failed"
    assert status["counts"] == {"done": TASKS - bad, "failed": bad, "running": 0, "waiting": 0}
    failures = slurm_site.hpckit("failures", name, "--json").expect(0).document["failures"]
    assert {f["index"]: f["kind"] for f in failures} == {
        index: KINDS[kind] for index, kind in enumerate(what) if kind in KINDS
    }
    assert Counter(f["kind"] for f in failures) == dict.fromkeys(KINDS.values(), OF_EACH)
    for failure in failures:
        assert failure["workers"], failure
        if failure["kind"] == "not_found":
            assert "absent" in failure["message"]
        else:
            assert f"task {failure['index']} speaks on stderr" in failure["stderr"]
        if failure["kind"] == "error":
            assert failure["exit_code"] == 3
        if failure["kind"] == "signal":
            assert failure["signal"] == 11
    for index, kind in enumerate(what):
        assert (root / "out" / str(index)).exists() == (kind == "works")
