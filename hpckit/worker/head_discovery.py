"""Waiting for the head: no worker tries a head that is not there."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from hpckit.common.backoff import Backoff
from hpckit.common.log import ChangeReporter
from hpckit.errors import EngineError
from hpckit.model.paths import path_exists
from hpckit.model.units import human_duration
from hpckit.model.worker import WorkerInfo
from hpckit.run.address import Address, read_address
from hpckit.run.jobs import HEAD_ROLES, newest_head_job, read_jobs
from hpckit.run.rundir import RunDir
from hpckit.worker import head_client

PATIENCE_S: Final = 1800.0
_PAUSE_S: Final = (0.1, 5.0)  # between two looks for the head, at first and at most
_LAST_EVENT_BYTES: Final = 4096  # the journal's end event is far shorter
#: How long an address at which nobody answered is left alone, at first and at most.
_RETRY_S: Final = (2.0, 30.0)


class NothingToJoin(Exception):
    """There is nothing to join for this worker: the run was cancelled, or the head said no."""


class HeadWait(Protocol):
    """The actions of a worker while no head comes."""

    def served(self, incarnation: int) -> None:
        """Note that the head of this incarnation was there until now."""

    def look(self, newest: int) -> str:
        """Act if it is time; return why to leave, ``""`` to go on waiting."""


def newest_incarnation(run_dir: RunDir) -> int:
    """Return the newest head incarnation that has begun a journal, 0 before the first."""
    try:
        names = os.listdir(run_dir.journal)  # noqa: PTH208 - fresh, as NFS clients need it
    except OSError:
        return 0
    stems = (name.removesuffix(".jsonl") for name in names if name.endswith(".jsonl"))
    return max((int(stem) for stem in stems if stem.isdigit()), default=0)


def staleness(run_dir: RunDir, address: Address) -> str:
    """Return why a published address is not to be used, ``""`` if it is current."""
    newest = newest_incarnation(run_dir)
    if address.incarnation != newest:
        return (
            f"the published address is stale: it is of head incarnation {address.incarnation}, "
            f"the newest is {newest}"
        )
    job = newest_head_job(run_dir)
    if job and address.job_id and address.job_id != job:
        return (
            f"the published address is stale: it is of head job {address.job_id}, "
            f"the newest is {job}"
        )
    return ""


def how_it_ended(run_dir: RunDir) -> str:
    """Return how the run ended, ``""`` if it has not, or if a head is to come after all.

    The last line of the newest journal says so (``docs/reference/schemas.md``). A `hpckit resume`
    that is younger has submitted a head job, or left its request.
    """
    path = run_dir.journal_file(newest_incarnation(run_dir))
    try:
        with path.open("rb") as journal:
            journal.seek(max(0, path.stat().st_size - _LAST_EVENT_BYTES))
            last = json.loads(journal.read().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return ""
    if not isinstance(last, dict) or last.get("e") != "ended":
        return ""
    heads = [job.submitted_at for job in read_jobs(run_dir) if job.role in HEAD_ROLES]
    with contextlib.suppress(OSError):
        heads.append(run_dir.resume.stat().st_mtime)
    return "" if max(heads, default=0.0) > last["t"] else str(last["state"])


@dataclass
class _FailedAddress:
    """An address at which nobody answered: it is not tried again until `until`."""

    until: float = 0.0
    pauses: Backoff = field(default_factory=lambda: Backoff(*_RETRY_S))
    why: str = ""


@dataclass
class HeadDiscovery:
    """Finds the head, and joins it. `pause` waits that many seconds and returns whether to
    give up waiting, because the worker itself has to leave."""

    run_dir: RunDir
    key: bytes
    worker: WorkerInfo
    pause: Callable[[float], bool]
    patience_s: float = PATIENCE_S
    clock: Callable[[], float] = time.monotonic
    watch: HeadWait | None = None
    _changes: ChangeReporter = field(default_factory=ChangeReporter)
    _set_aside_addresses: dict[str, _FailedAddress] = field(default_factory=dict)

    def wait(self) -> tuple[Address, head_client.HeadClient] | None:
        """Return the head's address and an open connection to it; None when asked to leave.

        Raises:
            RunIsOver: there is nothing to join.
            EngineError: no head was there in time.
        """
        deadline = self.clock() + self.patience_s
        pauses = Backoff(*_PAUSE_S, factor=1.5, jitter=(0.8, 1.2))
        while True:
            address = read_address(self.run_dir)
            client, why = self._look(address)
            if address and client:
                return address, client
            self._changes.say(f"waiting for the head: {why}")
            if self.watch and (leave := self.watch.look(newest_incarnation(self.run_dir))):
                raise NothingToJoin(leave)
            if self.clock() >= deadline:
                raise EngineError(
                    f"no head within {human_duration(self.patience_s)}; last: {why}",
                    hint=f"Continue the run with `hpckit resume {self.run_dir.root.name}`.",
                )
            if self.pause(pauses.next_s()):
                return None

    def _look(self, address: Address | None) -> tuple[head_client.HeadClient | None, str]:
        if path_exists(self.run_dir.cancel):
            raise NothingToJoin("the run was cancelled")
        if not self.run_dir.root.exists():
            raise NothingToJoin(f"{self.run_dir.root} has been removed")
        if address is None:
            if state := how_it_ended(self.run_dir):
                raise NothingToJoin(f"the run is {state}")
            job = newest_head_job(self.run_dir)
            return None, f"it publishes {self.run_dir.address}{f' (job {job})' if job else ''}"
        if why := staleness(self.run_dir, address):
            return None, why
        shunned = self._set_aside_addresses.setdefault(address.nonce, _FailedAddress())
        if self.clock() < shunned.until:
            return None, shunned.why
        try:
            return head_client.join(address, self.key, self.worker), ""
        except head_client.Refused as error:
            raise NothingToJoin(str(error)) from None
        except head_client.JoinError as error:
            shunned.until = self.clock() + shunned.pauses.next_s()
            shunned.why = error.message
            return None, error.message
