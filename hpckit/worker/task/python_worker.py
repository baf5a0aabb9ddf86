"""The warm interpreter of one slot: calls functions, one after another, when asked to.

Started by `hpckit.worker.task.python_client` as ``python python_worker.py REQUESTS REPLIES
PATH…`` with the numbers of two pipes and the directories that go before sys.path.
A request is a line of JSON with
``function``, ``kwargs``, ``cwd`` and ``env``; so is a reply: ``exit_code``, ``value``,
``kind`` (for what an exit code cannot say), ``message``, ``cpu_s``, ``max_rss_mib``. What
the function prints goes to the ordinary stdout and stderr. It is run as a script and imports
nothing of hpckit, so that a task's modules are all that there is.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

_LONGEST_VALUE = 65536  # characters of JSON; longer ones than that are no cell of a table


def serve(requests: int, replies: int) -> None:
    """Answer requests until the other side closes its pipe."""
    with open(requests, "rb") as lines:
        for line in lines:
            reply = json.dumps(_answer(json.loads(line)), separators=(",", ":"))
            _write(replies, reply.encode() + b"\n")


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    os.environ.clear()
    os.environ.update(request["env"])
    _forget_temporary()
    _forget_peak()
    cpu_before = _cpu_s()
    reply: dict[str, Any] = {"exit_code": 0, "kind": "", "message": "", "value": None}
    try:
        os.chdir(request["cwd"])
        reply.update(_call(request["function"], request["kwargs"]))
    except OSError as error:
        reply.update(kind="not_found", exit_code=None, message=f"no working directory: {error}")
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    reply["cpu_s"] = _cpu_s() - cpu_before
    reply["max_rss_mib"] = _peak_mib()
    return reply


def _call(name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    try:
        function = _find(name)
    except LookupError as error:
        return {"kind": "not_found", "exit_code": None, "message": str(error.args[0])}
    except BaseException as error:  # importing runs the user's code
        return _failed(error)
    try:
        value = function(**kwargs)
    except BaseException as error:
        return _failed(error)
    try:
        return _returned(value)
    except (TypeError, ValueError) as error:
        return {"exit_code": 1, "message": f"the returned dict is not JSON: {error}"}


def _returned(value: Any) -> dict[str, Any]:
    """Return a dict as a row of results, and a number, a string or a short list as its ``value``.

    A dict has to be JSON. All else that is not, or is long, was meant for somebody else.
    """
    if isinstance(value, dict):
        return {"value": json.loads(json.dumps(value, default=_plain))}
    with contextlib.suppress(TypeError, ValueError):
        text = json.dumps(value, default=_plain)
        if text != "null" and len(text) <= _LONGEST_VALUE:
            return {"value": {"value": json.loads(text)}}
    return {}


def _find(name: str) -> Any:
    module_name, _, path = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        parts = module_name.split(".")
        if error.name in [".".join(parts[: i + 1]) for i in range(len(parts))]:
            raise LookupError(f"no module {error.name!r} on the path of {sys.executable}") from None
        raise
    for part in path.split("."):
        if not hasattr(found, part):
            raise LookupError(f"no {path!r} in module {module_name!r}")
        found = getattr(found, part)
    return found


def _failed(error: BaseException) -> dict[str, Any]:
    if isinstance(error, SystemExit):
        if error.code is None or isinstance(error.code, int):
            return {"exit_code": (error.code or 0) & 0xFF}
        sys.stderr.write(f"{error.code}\n")
        return {"exit_code": 1}
    with contextlib.suppress(OSError, ValueError):
        traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, MemoryError):
        return {"exit_code": 1, "kind": "memory", "message": "it could not get more memory"}
    last = traceback.format_exception_only(error)[-1].strip()
    return {"exit_code": 1, "message": last[:500]}


def _plain(value: Any) -> Any:
    """Turn NumPy's numbers and arrays, and paths, into what JSON holds."""
    for method in ("item", "tolist"):
        with contextlib.suppress(AttributeError, ValueError):
            return getattr(value, method)()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise TypeError(f"{type(value).__name__} {value!r:.80}")


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _forget_temporary() -> None:
    """Let this call find its own TMPDIR: modules keep the first one, which does not exist any
    more."""
    temporary: Any = sys.modules.get("tempfile")
    if temporary:
        temporary.tempdir = None
    processes: Any = sys.modules.get("multiprocessing.process")
    with contextlib.suppress(AttributeError):  # none loaded, or inwards it is not as it was
        processes.current_process()._config.pop("tempdir", None)


def _forget_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM: proc(5)


def _peak_mib() -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Serve the two pipes given as arguments."""
    requests, replies, *path = sys.argv[1:]
    for handle in (requests, replies):
        os.set_inheritable(int(handle), False)  # not for what the task starts
    sys.path[:1] = path  # the first is this script's own directory
    sys.argv[:] = ["hpckit-task"]
    serve(int(requests), int(replies))


if __name__ == "__main__":
    main()
