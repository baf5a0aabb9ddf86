"""``python -m hpckit.node.supervisor RUN_DIR``: today's `hpckit.worker.recovery.supervisor`."""

import sys

from hpckit.worker.recovery.supervisor import main

if __name__ == "__main__":
    sys.exit(main())
