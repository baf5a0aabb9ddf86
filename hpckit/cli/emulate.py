"""`hpckit emulate`: the emulated Slurm by itself, for any sbatch script."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Annotated

import typer

from hpckit.cli import say
from hpckit.cli.options import Json
from hpckit.errors import InputError

app = typer.Typer(
    help="The emulated Slurm by itself.\n\nExample: hpckit emulate shell -- sbatch job.sh",
    no_args_is_help=True,
)
Cluster = Annotated[str, typer.Option("--cluster", help="Which one; each is apart.")]


@app.command("up")
def up(
    cluster: Cluster = "local",
    nodes: Annotated[int, typer.Option(help="Virtual nodes.", min=1)] = 4,
    cpus: Annotated[int, typer.Option(help="CPUs of each.", min=1)] = 2,
    memory: Annotated[str, typer.Option(help="Memory of each.")] = "4000 MiB",
    as_json: Json = False,
) -> None:
    """Start an emulated cluster, or find it running.

    Example: hpckit emulate up --nodes 8 --cpus 4 --memory "8 GiB"
    """
    from hpckit.emulator import control
    from hpckit.spec.units import parse_memory_mib

    config = control.ClusterConfig(
        name=cluster, nodes=nodes, cpus=cpus, memory_mib=parse_memory_mib(memory)
    )
    found = control.up(config)
    if as_json:
        say.document(control.status(cluster))
        return
    say.note(f"cluster {cluster!r} is up: {nodes} nodes of {cpus} CPUs; its commands:")
    say.line(str(found.bin_dir))
    say.note("Use them with `hpckit emulate shell`, or put that directory on PATH.")


@app.command("down")
def down(cluster: Cluster = "local", as_json: Json = False) -> None:
    """End an emulated cluster, its jobs and all their processes.

    Example: hpckit emulate down
    """
    from hpckit.emulator import control

    control.down(cluster)
    if as_json:
        say.document(control.status(cluster))
    else:
        say.note(f"cluster {cluster!r} is down")


@app.command("status")
def status(cluster: Cluster = "local", as_json: Json = False) -> None:
    """Say which nodes and jobs an emulated cluster has.

    Example: hpckit emulate status --json
    """
    from hpckit.emulator import control

    found = control.status(cluster)
    if as_json:
        say.document(found)
        return
    if not found["running"]:
        say.line(f"cluster {cluster!r} is down; start it with `hpckit emulate up`")
        return
    jobs = ", ".join(f"{count} {state}" for state, count in found["jobs"].items())
    say.line(f"cluster {cluster!r} is up (pid {found['pid']}); jobs: {jobs or 'none'}")
    rows = found["nodes"]
    say.table(
        ("node", "address", ">cpus", ">memory MiB", "state"),
        ([n["name"], n["address"], n["cpus"], n["memory_mib"], n["state"]] for n in rows),
    )


@app.command("shell")
def shell(context: typer.Context, cluster: Cluster = "local") -> int:
    """Open a shell, or run a command, in which sbatch, squeue and the others are there.

    Example: hpckit emulate shell -- sbatch --wrap hostname
    """
    from hpckit.emulator import control

    command: list[str] | None = context.obj
    if command is not None and not command:
        raise InputError("there is no command after --", hint="Leave -- out for a shell.")
    found = control.find(cluster) or control.up(name=cluster)
    environment = control.shell_environment(found)
    argv = command or [os.environ.get("SHELL", "/bin/bash")]
    if command is None:
        say.note(f"Slurm's commands are those of cluster {cluster!r}; leave with `exit`")
    try:
        child = subprocess.Popen(argv, env=environment)
    except OSError as error:
        raise InputError(f"cannot run {argv[0]!r}: {error.strerror}") from error
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)  # the child decides
    try:
        code = child.wait()
    finally:
        signal.signal(signal.SIGINT, previous)
    return code if code >= 0 else 128 - code
