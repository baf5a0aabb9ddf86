"""The messages between the head's worker server and its workers.

Every worker keeps one TCP connection to the head as long as it runs. Each line is one JSON
object. First both sides prove that they know the run's key. So a worker does not join a port
that belongs to another program by now::

    worker  {"hello": 1, "challenge": C1}
    head    {"run": …, "nonce": …, "proof": hmac(key, "head:" C1 ":" nonce), "challenge": C2}
    worker  {"proof": hmac(key, "worker:" C2), "worker": {WorkerInfo}}
    head    {"welcome": 1}  or  {"refused": "why"}

Then the worker sends ``beat``, ``started``, ``draining`` and ``left``; the head sends ``beat``
and ``stop``. A head that sends ``{"welcome": 1, "holds_lost": true}`` promises this: it sends no
task that a draining worker lost to another worker until the draining one has left. Only with such
a head a worker lets running tasks finish after their engine has ended.

Before the proof anybody can send anything. So `decode` checks every line; for a line that is no
message it raises ValueError, and the connection is closed.
"""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any, Final

from hpckit.model.worker import WorkerInfo

VERSION: Final = 1
BEAT_S: Final = 2.0  # how often each side sends ``beat``
GONE_AFTER_S: Final = 20.0  # silence after which the other side is taken for lost
ANSWER_S: Final = 10.0  # limit for each step of connecting and of the handshake
MAX_LINE_BYTES: Final = 64 * 1024
_ALLOWED_TYPES: Final = {"str": ("str",), "int": ("int",), "float": ("int", "float")}

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    """Return one message as a line of JSON in UTF-8.

    Bytes of a path that are not UTF-8 (Python keeps them as lone surrogates) become ``?``.
    """
    text = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="replace") + b"\n"


def decode(line: bytes) -> Message:
    """Read one line. Everything in the returned message can be encoded and stored.

    Raises:
        ValueError: it is no JSON object, is too long or nested too deeply, or has a lone
            surrogate or an infinite number, which UTF-8 and JSON cannot express.
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
    """Return the description of a worker that came in a message.

    Raises:
        ValueError: a key is missing or unknown, or its value has the wrong type.
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
    """Splits the data of a stream into messages."""

    def __init__(self) -> None:
        self.waiting: list[Message] = []  # arrived with the last line of the handshake
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
