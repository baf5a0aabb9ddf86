"""The file by which workers find the head (``hpckit.address/1``).

The head writes it by an atomic rename when its ports listen. Standard library only:
workers read it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

from hpckit.run.rundir import RunDir, write_atomically

ADDRESS_SCHEMA: Final = "hpckit.address/1"
#: The keys in the file that differ from the names of their fields.
_KEYS: Final = {"worker_port": "door_port"}


@dataclass(frozen=True, kw_only=True)
class Address:
    """The address at which one incarnation of the head listens.

    A worker checks that it is current: `incarnation` must be the newest in the journal
    directory, and `job_id` the newest head job in ``jobs.jsonl``. Then it connects, and the
    answer proves that the run's own head, with this `nonce`, still listens there.
    """

    run: str
    backend: str
    incarnation: int
    nonce: str
    job_id: str
    node: str
    pid: int
    hosts: tuple[str, ...]  # IPv4 addresses to try, the best first
    worker_port: int
    engine: dict[str, Any] = field(default_factory=dict)  # what the engine's worker needs


def publish_address(run_dir: RunDir, address: Address) -> None:
    """Write the address file.

    Raises:
        StorageError: the run directory cannot be written.
    """
    run_dir.address.parent.mkdir(exist_ok=True)
    named = {_KEYS.get(name, name): value for name, value in asdict(address).items()}
    body = {"schema": ADDRESS_SCHEMA, **named}
    write_atomically(run_dir.address, json.dumps(body, indent=1))


def withdraw_address(run_dir: RunDir, incarnation: int) -> None:
    """Remove the address file of one incarnation, when its head stops normally.

    The file of a newer head is kept: this head may not know yet that it was replaced.
    """
    found = read_address(run_dir)
    if found is not None and found.incarnation == incarnation:
        run_dir.address.unlink(missing_ok=True)


def read_address(run_dir: RunDir) -> Address | None:
    """Return the published address; None if there is none (yet) or it cannot be read.

    It lists the directory first, because NFS clients remember that a file did not exist.
    """
    try:
        if run_dir.address.name not in os.listdir(run_dir.address.parent):  # noqa: PTH208
            return None
        raw = json.loads(run_dir.address.read_bytes())
        if raw.pop("schema", None) != ADDRESS_SCHEMA:
            return None
        found = {field.name: raw[_KEYS.get(field.name, field.name)] for field in fields(Address)}
        return Address(**{**found, "hosts": tuple(raw["hosts"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None
