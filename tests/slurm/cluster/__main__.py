"""The command line of the test cluster: ``python -m tests.slurm.cluster COMMAND``."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from collections.abc import Callable

from tests.slurm.cluster import lifecycle
from tests.slurm.cluster.faults import Faults
from tests.slurm.cluster.layout import Layout, default_layout
from tests.slurm.cluster.prerequisites import program
from tests.slurm.cluster.shell import ClusterError

NODE_FAULTS: dict[str, Callable[[Faults, str], None]] = {
    "kill-node": Faults.kill_node,
    "start-node": Faults.start_node,
    "restart-node": Faults.restart_node,
    "cut-network": Faults.cut_network,
    "restore-network": Faults.restore_network,
}
FAULTS: dict[str, Callable[[Faults], None]] = {
    "stop-controller": Faults.stop_controller,
    "start-controller": Faults.start_controller,
    "stop-database": Faults.stop_database,
    "start-database": Faults.start_database,
    "mend": Faults.mend,
}


def main(argv: list[str] | None = None) -> int:
    options = _parser().parse_args(argv)
    layout = default_layout()
    try:
        return _dispatch(options, layout)
    except (ClusterError, ValueError, FileNotFoundError) as error:
        print(f"slurm cluster: {error}", file=sys.stderr)
        return 1


def _dispatch(options: argparse.Namespace, layout: Layout) -> int:
    command: str = options.command
    if command not in ("env", "status") and os.geteuid() != 0:
        raise ClusterError(f"{command} needs root; run it with sudo")
    if command in NODE_FAULTS:
        NODE_FAULTS[command](Faults(layout), options.node)
        return 0
    if command in FAULTS:
        FAULTS[command](Faults(layout))
        return 0
    if command == "login":
        return _login(layout, options.argv)
    return {"up": _up, "down": _down, "env": _env, "status": _status}[command](layout)


def _up(layout: Layout) -> int:
    began = time.monotonic()
    if lifecycle.up(layout):
        print(f"Slurm is up under {layout.prefix} ({time.monotonic() - began:.1f} s)")
    else:
        print(f"Slurm was up already under {layout.prefix}")
    (layout.prefix / lifecycle.FOR_SESSIONS).unlink(missing_ok=True)  # no session ends it
    print('use it:  eval "$(make -s slurm-env)" && sinfo')
    return 0


def _down(layout: Layout) -> int:
    print("Slurm is down" if lifecycle.down(layout) else "no Slurm of ours was there")
    return 0


def _env(layout: Layout) -> int:
    if not layout.slurm_conf.exists():
        raise ClusterError(f"nothing under {layout.prefix}; run `make slurm-up` first")
    for name, value in lifecycle.environment(layout).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _status(layout: Layout) -> int:
    now = lifecycle.status(layout)
    for name in (*now.alive, *now.dead):
        life = "alive" if name in now.alive else "dead"
        print(f"{name:10} {life:6} {now.nodes.get(name, '')}".rstrip())
    return 0 if now.is_up else 1


def _login(layout: Layout, argv: list[str]) -> int:
    """Run a command as on a login node, where node names resolve."""
    bind = f"mount --bind {shlex.quote(str(layout.hosts))} /etc/hosts"
    os.environ.update(lifecycle.environment(layout))
    command = argv[argv[:1] == ["--"] :] or [os.environ.get("SHELL", "/bin/sh")]
    shell = ["/bin/sh", "-c", f'{bind} && exec "$@"', "login", *command]
    os.execv(program("unshare"), ["unshare", "--mount", *shell])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.slurm.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("up", "bring the cluster up; nothing happens when it is up"),
        ("down", "cancel all jobs, end all daemons, remove every trace"),
        ("env", "print export lines for eval"),
        ("status", "print which daemons live and the nodes' states; exit 1 when not all do"),
    ):
        commands.add_parser(name, help=text)
    for name, act in NODE_FAULTS.items():
        commands.add_parser(name, help=_first_line(act)).add_argument("node")
    for name, plain in FAULTS.items():
        commands.add_parser(name, help=_first_line(plain))
    login = commands.add_parser("login", help="run a command for which node names resolve")
    login.add_argument("argv", nargs=argparse.REMAINDER)
    return parser


def _first_line(function: Callable[..., None]) -> str:
    lines = (function.__doc__ or "").strip().splitlines()
    return lines[0] if lines else function.__name__.replace("_", " ")


if __name__ == "__main__":
    sys.exit(main())
