"""Give one bundle to this node's runner and store the result. Work Queue runs this script.

``python -S -E runner_client.py BUNDLE_FILE RESULT_FILE``; the runner's socket is in HPCKIT_RUNNER.
Exit codes: 0 the result is written; 2 wrong use; 3 no runner; 4 the runner gave no result. It
imports nothing of hpckit and little else, so that it starts in milliseconds.
"""

import os
import sys
from _socket import AF_UNIX, socket  # without enum and selectors: half of the start-up time


class NoRunner(Exception):
    """There is no runner, or it gave no result; `exit_code` tells which."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def send_bundle(path: str, bundle: bytes) -> bytes:
    """Send a bundle to the runner at `path`, wait, and return its result, both as JSON.

    Raises:
        NoRunner: no runner listens there, or it ended before it had a result.
    """
    if not path:
        raise NoRunner("HPCKIT_RUNNER is not set: this was not started by an hpckit worker", 3)
    parts = []
    stream = socket(AF_UNIX)
    try:
        try:
            stream.connect(path)
        except OSError as error:
            raise NoRunner(f"no hpckit runner at {path}: {error.strerror}", 3) from None
        try:
            stream.sendall(bundle.strip() + b"\n")
            while part := stream.recv(1 << 20):
                parts.append(part)
        except OSError as error:
            raise NoRunner(f"the hpckit runner at {path} went away: {error.strerror}", 4) from None
    finally:
        stream.close()
    if not parts or not parts[-1].endswith(b"\n"):
        raise NoRunner(f"the hpckit runner at {path} ended without a result", 4)
    return b"".join(parts)


def main() -> int:
    """Run the command line; return the exit code."""
    if len(sys.argv) != 3:
        sys.stderr.write("use: runner_client.py BUNDLE_FILE RESULT_FILE\n")
        return 2
    try:
        with open(sys.argv[1], "rb") as file:  # noqa: PTH123 - pathlib takes 5 ms to import
            bundle = file.read()
        result = send_bundle(os.environ.get("HPCKIT_RUNNER", ""), bundle)
        with open(sys.argv[2], "wb") as file:  # noqa: PTH123
            file.write(result)
    except NoRunner as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"cannot read or write a file: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
