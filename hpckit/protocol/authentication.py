"""Prove that head and worker both know the run's key.

Proofs are HMAC-SHA256 in hexadecimal; the key is the text of ``secrets/door.key``.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final

from hpckit.errors import StorageError

#: The key's file in the run's ``secrets/``. The name is kept for runs of the first release.
KEY_FILE: Final = "door.key"


def read_key(path: Path) -> bytes:
    """Return the run's key from its file.

    Raises:
        StorageError: the file is missing, empty, or cannot be read.
    """
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise StorageError(f"cannot read the run's key {path}: {error.strerror}") from error
    if not key:
        raise StorageError(f"the run's key {path} is empty")
    return key


def new_challenge() -> str:
    """Return a new random challenge."""
    return secrets.token_hex(16)


def head_proof(key: bytes, challenge: str, nonce: str) -> str:
    """Return the head's answer to the worker's challenge."""
    return _proof(key, f"head:{challenge}:{nonce}")


def worker_proof(key: bytes, challenge: str) -> str:
    """Return the worker's answer to the head's challenge."""
    return _proof(key, f"worker:{challenge}")


def proves(found: object, expected: str) -> bool:
    """Return True if a received proof is the right one; compare in constant time."""
    return isinstance(found, str) and hmac.compare_digest(found.encode(), expected.encode())


def _proof(key: bytes, text: str) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
