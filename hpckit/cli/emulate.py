"""`hpckit emulate`: the emulated Slurm by itself, for any sbatch script."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Annotated, Any

import typer

from hpckit.cli import console, emulate_faults
from hpckit.cli.emulate_faults import Cluster
from hpckit.cli.options import Json, measured, whole_number
from hpckit.errors import InputError
from hpckit.model.units import parse_memory_mib

app = typer.Typer(
    help="The emulated Slurm by itself.\n\nExample: hpckit emulate shell -- sbatch job.sh",
    no_args_is_help=True,
)


def _size(name: str, words: str) -> Any:
    return typer.Option(name, metavar="N", parser=whole_number(name, least=1), help=words)


@app.command("up")
def up(
    cluster: Cluster = "local",
    nodes: Annotated[int | None, _size("--nodes", "Virtual nodes. [default: 4]")] = None,
    cpus: Annotated[int | None, _size("--cpus", "CPUs of each. [default: 2]")] = None,
    memory: Annotated[
        int | None,
        typer.Option(
            "--memory",
            metavar="SIZE",
            parser=measured("--memory", parse_memory_mib),
            help='Memory of each: "8 GiB". [default: 4000 MiB]',
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Start an emulated cluster, or find it running.

    Example: hpckit emulate up --nodes 8 --cpus 4 --memory "8 GiB"
    """
    from hpckit.emulator import control

    asked = {"nodes": nodes, "cpus": cpus, "memory_mib": memory}
    sizes: dict[str, Any] = {key: value for key, value in asked.items() if value is not None}
    running = control.find(cluster)
    if running is None or sizes:  # without sizes, the one that runs is well
        config = control.ClusterConfig(name=cluster, **sizes) if sizes else None
        running = control.up(config, name=cluster)
    found = control.status(cluster)
    if as_json:
        console.document(found)
        return
    shape = found["config"]
    console.note(
        f"cluster {cluster!r} is up: {shape['nodes']} nodes of {shape['cpus']} CPUs and "
        f"{shape['memory_mib']} MiB; its commands:"
    )
    console.line(str(running.bin_dir))
    console.note("Use them with `hpckit emulate shell`, or put that directory on PATH.")


@app.command("down")
def down(cluster: Cluster = "local", as_json: Json = False) -> None:
    """End an emulated cluster and all its jobs.

    Example: hpckit emulate down
    """
    from hpckit.emulator import control

    known = control.list_clusters()
    control.down(cluster)
    if as_json:
        console.document(control.status(cluster))
    elif cluster in known:
        console.note(f"cluster {cluster!r} is down")
    else:
        console.note(f"there was no cluster {cluster!r}; known: {', '.join(known) or 'none'}")


@app.command("status")
def status(cluster: Cluster = "local", as_json: Json = False) -> None:
    """Say which nodes and jobs a cluster has.

    Example: hpckit emulate status --json
    """
    from hpckit.emulator import control

    found = control.status(cluster)
    if as_json:
        console.document(found)
        return
    if not found["running"]:
        flag = "" if cluster == "local" else f" --cluster {cluster}"
        console.line(f"cluster {cluster!r} is down; start it with `hpckit emulate up{flag}`")
        others = [name for name in control.list_clusters() if control.find(name)]
        if others:
            console.note(f"up: {', '.join(others)}")
        return
    jobs = ", ".join(f"{count} {state}" for state, count in found["jobs"].items())
    console.line(f"cluster {cluster!r} is up (pid {found['pid']}); jobs: {jobs or 'none'}")
    rows = found["nodes"]
    cut = console.table(
        ("node", "address", ">cpus", ">memory MiB", "state"),
        ([n["name"], n["address"], n["cpus"], n["memory_mib"], n["state"]] for n in rows),
        most=console.SCREEN_ROWS if console.on_terminal() else None,
    )
    if cut:
        console.note(f"and {cut} more nodes: `hpckit emulate shell -- sinfo -N`")


@app.command("shell")
def shell(context: typer.Context, cluster: Cluster = "local") -> int:
    """Open a shell with Slurm's commands, or run one.

    Exits with the code of the shell or the command.

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
        console.note(f"Slurm's commands are those of cluster {cluster!r}; leave with `exit`")
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


for _name, _command in emulate_faults.COMMANDS.items():
    app.command(_name)(_command)
