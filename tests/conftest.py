"""What holds for every test."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Let Ctrl-C work: what a shell starts with ``&`` ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
