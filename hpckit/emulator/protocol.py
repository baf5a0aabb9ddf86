"""Messages between the commands, the daemon and the step daemons: JSON, and file descriptors.

Each message is a 4-byte big-endian length and that many bytes of JSON. File descriptors are sent
with the first byte (SCM_RIGHTS). The key ``wire`` of each message holds the sender's version of
this protocol: a daemon may be older than the command that asks it.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from typing import Any

from hpckit.emulator import paths

_HEADER = struct.Struct("!I")
MAX_DESCRIPTORS = 250  # the kernel takes 253 (SCM_MAX_FD)
MAX_BYTES = 64 * 1024 * 1024
VERSION = 2  # raised with every change of a request or a reply; a message without it has 1


class Closed(Exception):
    """The other side closed the connection."""


class VersionMismatch(Exception):
    """The daemon and the command that asks it come from different versions of hpckit.

    Attributes:
        text: what was found.
        hint: what to do.
    """

    def __init__(self, theirs: object, cluster: str) -> None:
        self.text = (
            f"the daemon of the emulated cluster {cluster!r} runs another version of hpckit than "
            f"this command: it uses version {theirs} of the protocol, not {VERSION}"
        )
        self.hint = f"End it and its jobs with: hpckit emulate down --cluster {cluster}"
        super().__init__(self.text)


def check_version(message: dict[str, Any], cluster: str) -> None:
    """Raise `VersionMismatch` if a message has another version of the protocol."""
    if (theirs := message.get("wire", 1)) != VERSION:
        raise VersionMismatch(theirs, cluster)


def connect(path: str) -> socket.socket:
    """Return a connected stream socket.

    Raises:
        OSError: no daemon listens there.
    """
    address, descriptor = paths.sun_path(path)
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        return sock
    finally:
        if descriptor is not None:
            os.close(descriptor)


def encode(message: dict[str, Any]) -> bytes:
    """Return a message as bytes. Names that are not UTF-8 are sent as surrogates."""
    body = json.dumps({**message, "wire": VERSION}, separators=(",", ":")).encode()
    return _HEADER.pack(len(body)) + body


def send(sock: socket.socket, message: dict[str, Any], fds: list[int] | None = None) -> None:
    """Send one message, with descriptors attached to its first bytes."""
    data = encode(message)
    sent = 0
    if fds:
        rights = array.array("i", fds)
        sent = sock.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    if sent < len(data):  # sendall(b"") would fail too if the other side has closed already
        sock.sendall(data[sent:])


class Inbox:
    """Collects the bytes and descriptors of one connection into messages."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.fds: list[int] = []

    def feed(self, sock: socket.socket) -> bool:
        """Read what has arrived; return False at the end of the stream."""
        space = socket.CMSG_SPACE(MAX_DESCRIPTORS * 4)
        try:
            data, ancillary, _flags, _address = sock.recvmsg(65536, space, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        for level, kind, rights in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(rights[: len(rights) - len(rights) % numbers.itemsize])
                self.fds.extend(numbers)
        self._data += data
        return bool(data)

    def pending(self) -> bool:
        """Return True if bytes were read that are not yet a returned message."""
        return bool(self._data)

    def next(self) -> dict[str, Any] | None:
        """Return the next complete message, or None."""
        if len(self._data) < _HEADER.size:
            return None
        (length,) = _HEADER.unpack_from(self._data)
        if length > MAX_BYTES:
            raise Closed(f"a message of {length} bytes")
        if len(self._data) < _HEADER.size + length:
            return None
        body = bytes(self._data[_HEADER.size : _HEADER.size + length])
        del self._data[: _HEADER.size + length]
        message: dict[str, Any] = json.loads(body)
        return message


def receive(sock: socket.socket, inbox: Inbox) -> dict[str, Any]:
    """Wait for one message.

    Raises:
        Closed: the other side closed first.
    """
    while True:
        message = inbox.next()
        if message is not None:
            return message
        if not inbox.feed(sock):
            raise Closed("the connection ended")
