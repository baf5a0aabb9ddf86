"""The messages between the head's worker server and its workers.

Every worker keeps one TCP connection to the head for its whole life. Each line is one JSON
object. Both sides prove that they know the run's key before anything else is said, so a port
that somebody else has taken since is noticed and not joined::

    worker  {"hello": 1, "challenge": C1}
    head    {"run": …, "nonce": …, "proof": hmac(key, "head:" C1 ":" nonce), "challenge": C2}
    worker  {"proof": hmac(key, "worker:" C2), "worker": {WorkerInfo}}
    head    {"welcome": 1}  or  {"refused": "why"}

Then the worker says ``beat``, ``started``, ``draining`` and ``left``; the head says ``beat`` and
``stop``. A head that says ``{"welcome": 1, "holds_lost": true}`` promises to hand out nothing
again of what a draining worker lost until that worker has left; only then does such a worker let
running tasks finish whose engine has ended.

Anybody can send anything before the proof, so `decode` alone decides what is a message: what it
refuses, for whatever reason, is a ValueError, and costs that connection.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, Final

from hpckit.model.worker import WorkerInfo

VERSION: Final = 1
BEAT_S: Final = 2.0  # how often each side says that it is there
GONE_AFTER_S: Final = 20.0  # silence after which the other side counts as gone
ANSWER_S: Final = 10.0  # how long each step of connecting and of the handshake may take
MAX_LINE_BYTES: Final = 64 * 1024
_ALLOWED_TYPES: Final = {"str": ("str",), "int": ("int",), "float": ("int", "float")}

Message = dict[str, Any]


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
        if type(value).__name__ not in _ALLOWED_TYPES[str(field.type)]:
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
