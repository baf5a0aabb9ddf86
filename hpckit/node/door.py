"""The door: one TCP connection per worker to the head, for the worker's whole life.

Each line is one JSON object. Both sides prove that they know the run's key before anything
else is said, so a port that somebody else has taken since is noticed and not joined::

    worker  {"hello": 1, "challenge": C1}
    head    {"run": …, "nonce": …, "proof": hmac(key, "head:" C1 ":" nonce), "challenge": C2}
    worker  {"proof": hmac(key, "worker:" C2), "worker": {WorkerInfo}}
    head    {"welcome": 1}  or  {"refused": "why"}

Then the worker says ``beat``, ``started``, ``draining`` and ``left``; the head says ``beat`` and
``stop``. A head that says ``{"welcome": 1, "holds_lost": true}`` promises to hand out nothing
again of what a draining worker lost until that worker has left; only then does such a worker let
running tasks finish whose engine has gone.

Proofs are HMAC-SHA256 in hexadecimal, the key is the text of ``secrets/door.key``. Anybody can
send anything before that, so `decode` alone judges what is a message: what it refuses, whatever
the reason, is a ValueError, and costs that connection. The wire functions here serve the head's
server too (`hpckit.head.door`). Standard library only.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
import socket
import struct
import threading
import time
from dataclasses import asdict, fields
from typing import Any, Final

from hpckit.errors import HpckitError, StorageError
from hpckit.run.address import Address
from hpckit.run.rundir import RunDir
from hpckit.spec.engines import DOOR_KEY
from hpckit.spec.worker import WorkerInfo

VERSION: Final = 1
BEAT_S: Final = 2.0  # how often each side says that it is there
GONE_AFTER_S: Final = 20.0  # silence after which the other side counts as gone
ANSWER_S: Final = 10.0  # how long each step of connecting and of the handshake may take
MAX_LINE_BYTES: Final = 64 * 1024
_FITS: Final = {"str": ("str",), "int": ("int",), "float": ("int", "float")}

Message = dict[str, Any]


class DoorError(HpckitError):
    """The head cannot be joined (now)."""


class NobodyThere(DoorError):
    """Nothing listens at the published address, or it does not answer in time."""


class NotOurHead(DoorError):
    """Something else answers at the published address."""


class Refused(DoorError):
    """The run's own head does not want this worker."""


def read_key(run_dir: RunDir) -> bytes:
    """Return the key of the run's door.

    Raises:
        StorageError: there is none, or it cannot be read.
    """
    path = run_dir.secret(DOOR_KEY)
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise StorageError(f"cannot read the run's key {path}: {error.strerror}") from error
    if not key:
        raise StorageError(f"the run's key {path} is empty")
    return key


def encode(message: Message) -> bytes:
    """Return one message as it travels: a line of JSON in UTF-8.

    Of a path that is no UTF-8 (which Python keeps as half characters) it has question marks.
    """
    text = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="replace") + b"\n"


def decode(line: bytes) -> Message:
    """Read one line. All that is in it can be encoded again, and stored.

    Raises:
        ValueError: it is no JSON object, is too long or nested too deep, or holds what JSON and
            UTF-8 have no words for: half a character, an infinite number.
    """
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"a line of {len(line)} bytes")
    try:
        message = json.loads(line.decode())
        json.dumps(message, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError:
        raise ValueError("a line that is nested too deep") from None
    if not isinstance(message, dict):
        raise ValueError("not a JSON object")
    return message


def read_worker(raw: object) -> WorkerInfo:
    """Return what a worker says of itself, as it came in a message.

    Raises:
        ValueError: a key is missing, unknown, or not of its type.
    """
    if not isinstance(raw, dict):
        raise ValueError("it is no JSON object")
    try:
        worker = WorkerInfo.from_dict(raw)
    except TypeError as error:
        raise ValueError(str(error)) from None
    for field in fields(worker):
        value = getattr(worker, field.name)
        if type(value).__name__ not in _FITS[str(field.type)]:
            raise ValueError(f"{field.name} is {value!r}, but must be of type {field.type}")
    return worker


class LineReader:
    """Cuts what arrives on a stream into messages."""

    def __init__(self) -> None:
        self.waiting: list[Message] = []  # read with the handshake's last line, not yet taken
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that `data` completes.

        Raises:
            ValueError: a line is no JSON object, or is longer than `MAX_LINE_BYTES`.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise ValueError(f"a line of more than {MAX_LINE_BYTES} bytes")
        return [decode(line) for line in lines if line.strip()]


def new_challenge() -> str:
    """Return a fresh random challenge."""
    return secrets.token_hex(16)


def head_proof(key: bytes, challenge: str, nonce: str) -> str:
    """Return what the head answers to the worker's challenge."""
    return _proof(key, f"head:{challenge}:{nonce}")


def worker_proof(key: bytes, challenge: str) -> str:
    """Return what the worker answers to the head's challenge."""
    return _proof(key, f"worker:{challenge}")


def proves(found: object, expected: str) -> bool:
    """Compare a received proof with the right one, in constant time."""
    return isinstance(found, str) and hmac.compare_digest(found.encode(), expected.encode())


def _proof(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


class DoorClient:
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
        """Return what has arrived (perhaps nothing), or None when the head has gone.

        Call it once right after `join`, which may have read further than the welcome.
        """
        if self._reader.waiting:
            waiting, self._reader.waiting = self._reader.waiting, []
            return waiting
        try:
            data = self._stream.recv(MAX_LINE_BYTES, socket.MSG_DONTWAIT)
            return self._reader.feed(data) if data else None
        except BlockingIOError:
            return []
        except (OSError, ValueError):
            return None

    def close(self) -> None:
        """Close the connection; idempotent."""
        with contextlib.suppress(OSError):
            self._stream.close()


def join(address: Address, key: bytes, worker: WorkerInfo) -> DoorClient:
    """Connect to the head at `address`, prove each other, and be welcomed.

    Raises:
        NobodyThere: none of the candidate addresses answers.
        NotOurHead: something answers that is not this incarnation of this run's head.
        Refused: the head says no, and why.
    """
    tried: list[str] = []
    strange: DoorError | None = None
    for host in address.hosts:
        try:
            return _join_at(host, address, key, worker)
        except NotOurHead as error:
            strange = strange or error
        except OSError as error:
            tried.append(f"{host}:{address.door_port} ({_why(error)})")
    if strange:
        raise strange
    raise NobodyThere(f"nobody answers at {', '.join(tried) or 'an address without hosts'}")


def _why(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nobody listens"
    return error.strerror or str(error)


def _join_at(host: str, address: Address, key: bytes, worker: WorkerInfo) -> DoorClient:
    stream = socket.create_connection((host, address.door_port), timeout=ANSWER_S)
    try:
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        where = f"{host}:{address.door_port}"
        reader = LineReader()
        welcome = _shake_hands(stream, reader, where, address, key, worker)
        stream.settimeout(None)  # with a time limit, Python would wait despite MSG_DONTWAIT
        limit = struct.pack("ll", int(GONE_AFTER_S), 0)
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    except BaseException:
        stream.close()
        raise
    return DoorClient(stream, host, reader, welcome)


def _shake_hands(
    stream: socket.socket,
    reader: LineReader,
    where: str,
    address: Address,
    key: bytes,
    worker: WorkerInfo,
) -> Message:
    challenge = new_challenge()
    stream.sendall(encode({"hello": VERSION, "challenge": challenge}))
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
        raise NotOurHead(f"{where} does not speak the door's protocol")
    return verdict


def _next(stream: socket.socket, reader: LineReader, where: str) -> Message:
    """Return the next message of the handshake, in which each side waits for the other."""
    deadline = time.monotonic() + ANSWER_S
    while True:
        try:
            stream.settimeout(max(0.001, deadline - time.monotonic()))
            data = stream.recv(MAX_LINE_BYTES)
            messages = reader.feed(data)
        except ValueError:
            raise NotOurHead(f"{where} answers, but does not speak the door's protocol") from None
        except TimeoutError:
            raise NotOurHead(f"{where} accepts connections, but does not answer") from None
        except ConnectionError:
            data, messages = b"", []
        if messages:
            reader.waiting = messages[1:]
            return messages[0]
        if not data:
            raise NotOurHead(f"{where} closed the connection during the handshake")
