"""Memory and limits of processes, as /proc gives them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hpckit.common.processes import children_of, pss_mib, rss_mib

FORKING = """
import os, sys
held = bytearray(100 << 20)
for _ in range(4):
    if os.fork() == 0:
        sys.stdin.read()
        os._exit(0)
print("forked", flush=True)
sys.stdin.read()
"""


def test_memory_that_forks_share_counts_once() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout
        parent.stdout.readline()
        family = [parent.pid, *children_of(parent.pid)]
        assert len(family) == 5
        assert rss_mib(family) > 500
        assert 100 < pss_mib(family) < 200
        parent.communicate()


def test_without_smaps_rollup_all_resident_memory_of_a_process_counts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read = Path.read_bytes

    def of_an_old_kernel(path: Path) -> bytes:
        if path.name == "smaps_rollup":
            raise FileNotFoundError(path)
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", of_an_old_kernel)
    assert pss_mib([os.getpid()]) == pytest.approx(rss_mib([os.getpid()]), rel=0.1)
    assert pss_mib([2**22 + 1]) == 0  # no process has this number: it has gone


@pytest.mark.parametrize(("count", "soft"), [(300, 300), (100, 128), (900, 512)])
def test_a_low_limit_of_open_files_is_raised_as_far_as_allowed(count: int, soft: int) -> None:
    program = (
        "import resource; from hpckit.common.processes import allow_open_files\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (128, 512))\n"
        f"allow_open_files({count}); print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    argv = [sys.executable, "-c", program]
    found = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (found.stdout, found.stderr) == (f"({soft}, 512)\n", "")
