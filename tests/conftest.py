"""Settings for every test."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Let Ctrl-C and SIGTERM end all that tests have started, as the end of the tests does.

    What a shell starts with ``&`` ignores SIGINT; SIGTERM would end pytest and nothing else.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
