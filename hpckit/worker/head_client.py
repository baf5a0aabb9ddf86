"""The worker's side of its connection to the head: joining, and what is said afterwards.

The messages are described in `hpckit.protocol.messages`.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from dataclasses import asdict

from hpckit.errors import HpckitError
from hpckit.model.worker import WorkerInfo
from hpckit.protocol import messages
from hpckit.protocol.authentication import head_proof, new_challenge, proves, worker_proof
from hpckit.protocol.messages import ANSWER_S, LineReader, Message, encode
from hpckit.run.address import Address


class JoinError(HpckitError):
    """The head cannot be joined (now)."""


class NobodyThere(JoinError):
    """Nothing listens at the published address, or it does not answer in time."""


class NotOurHead(JoinError):
    """Something else answers at the published address."""


class Refused(JoinError):
    """The run's own head does not want this worker."""


class HeadClient:
    """The worker's side, after the handshake. `send` may be called from any thread."""

    def __init__(
        self, stream: socket.socket, host: str, reader: LineReader, welcome: Message
    ) -> None:
        self.host = host  # the candidate address that answered
        self.holds_lost = bool(welcome.get("holds_lost"))
        self._stream = stream
        self._reader = reader
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """Return the descriptor to wait on for reading."""
        return self._stream.fileno()

    @property
    def own_address(self) -> str:
        """This node's address as this connection has it."""
        return str(self._stream.getsockname()[0])

    def send(self, message: Message) -> bool:
        """Send one message; return whether it went out. Whoever reads sees that the head went."""
        try:
            with self._lock:
                self._stream.sendall(encode(message))
        except OSError:
            return False
        return True

    def receive(self) -> list[Message] | None:
        """Return what has arrived (perhaps nothing), or None when the head has left.

        Call it once right after `join`, which may have read further than the welcome.
        """
        if self._reader.waiting:
            waiting, self._reader.waiting = self._reader.waiting, []
            return waiting
        try:
            data = self._stream.recv(messages.MAX_LINE_BYTES, socket.MSG_DONTWAIT)
            return self._reader.feed(data) if data else None
        except BlockingIOError:
            return []
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Close the connection; idempotent."""
        with contextlib.suppress(OSError):
            self._stream.close()


def join(address: Address, key: bytes, worker: WorkerInfo) -> HeadClient:
    """Connect to the head at `address`, prove each other, and be welcomed.

    Raises:
        NobodyThere: none of the candidate addresses answers.
        NotOurHead: something answers that is not this incarnation of this run's head.
        Refused: the head says no, and why.
    """
    tried: list[str] = []
    strange: JoinError | None = None
    for host in address.hosts:
        try:
            return _join_at(host, address, key, worker)
        except NotOurHead as error:
            strange = strange or error
        except OSError as error:
            tried.append(f"{host}:{address.worker_port} ({_why(error)})")
    if strange:
        raise strange
    raise NobodyThere(f"nobody answers at {', '.join(tried) or 'an address without hosts'}")


def _why(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens"
    return error.strerror or str(error)


def _join_at(host: str, address: Address, key: bytes, worker: WorkerInfo) -> HeadClient:
    stream = socket.create_connection((host, address.worker_port), timeout=ANSWER_S)
    try:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        where = f"{host}:{address.worker_port}"
        reader = LineReader()
        welcome = _shake_hands(stream, reader, where, address, key, worker)
        stream.settimeout(None)  # with a time limit, Python would wait despite MSG_DONTWAIT
        limit = struct.pack("ll", int(messages.GONE_AFTER_S), 0)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    except BaseException:
        stream.close()
        raise
    return HeadClient(stream, host, reader, welcome)


def _shake_hands(
    stream: socket.socket,
    reader: LineReader,
    where: str,
    address: Address,
    key: bytes,
    worker: WorkerInfo,
) -> Message:
    challenge = new_challenge()
    stream.sendall(encode({"hello": messages.VERSION, "challenge": challenge}))
    answer = _next(stream, reader, where)
    if not proves(answer.get("proof"), head_proof(key, challenge, str(answer.get("nonce")))):
        raise NotOurHead(
            f"{where} belongs to another run or program now: it does not know this run's key"
        )
    if answer.get("nonce") != address.nonce or answer.get("run") != address.run:
        raise NotOurHead(f"{where} is another head of this run than the one that was published")
    proof = worker_proof(key, str(answer.get("challenge")))
    stream.sendall(encode({"proof": proof, "worker": asdict(worker)}))
    verdict = _next(stream, reader, where)
    if "refused" in verdict:
        raise Refused(f"the head at {where} refuses this worker: {verdict['refused']}")
    if not verdict.get("welcome"):
        raise NotOurHead(f"{where} does not speak hpckit's protocol")
    return verdict


def _next(stream: socket.socket, reader: LineReader, where: str) -> Message:
    """Return the next message of the handshake, in which each side waits for the other."""
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            stream.settimeout(max(0.001, deadline - time.monotonic()))
            data = stream.recv(messages.MAX_LINE_BYTES)
            found = reader.feed(data)
        except ValueError:
            raise NotOurHead(f"{where} answers, but does not speak hpckit's protocol") from None
        except TimeoutError:
            raise NotOurHead(f"{where} accepts connections, but does not answer") from None
        except ConnectionError:
            data, found = b"", []
        if found:
            reader.waiting = found[1:]
            return found[0]
        if not data:
            raise NotOurHead(f"{where} closed the connection during the handshake")
