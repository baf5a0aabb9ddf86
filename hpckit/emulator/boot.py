"""The entry point of the emulated commands and the daemon, a file for ``python -S -E -s``.

``boot.py COMMAND STATE_DIR [ARG…]``. Without site-packages an interpreter starts in 10 ms;
only the directory that holds the package is on ``sys.path``.
"""

import sys


def _main() -> None:
    here = __file__
    for _ in range(3):
        here = here.rpartition("/")[0]
    sys.path[0] = here or "/"
    command, state_dir, *words = sys.argv[1:]
    if command == "slurmctld":
        from hpckit.emulator.daemon import main

        main.serve(state_dir)
        return
    from hpckit.emulator.commands import main as commands

    commands.run(command, state_dir, words)


if __name__ == "__main__":
    _main()
