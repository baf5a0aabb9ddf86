"""``python -m hpckit.worker RUN_DIR``: what the scripts start on a worker's node."""

import sys

from hpckit.worker.main import main

sys.exit(main())
