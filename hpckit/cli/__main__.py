"""``python -m hpckit.cli``."""

from hpckit.cli.main import main

main()
