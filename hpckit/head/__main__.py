"""``python -m hpckit.head RUN_DIR``: what the head's script starts."""

import sys

from hpckit.head.supervisor import main

sys.exit(main(sys.argv[1:]))
