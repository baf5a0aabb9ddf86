"""``python -m hpckit.node.worker RUN_DIR``: today's `hpckit.worker`."""

import sys

from hpckit.worker.main import main

if __name__ == "__main__":
    sys.exit(main())
