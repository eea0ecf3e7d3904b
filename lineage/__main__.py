"""The command `lineage`, as the script of that name and `python -m lineage` start it."""

import signal

signal.signal(signal.SIGINT, signal.SIG_DFL)  # until it can end with a line, it ends without one
from lineage.interrupts import stoppable  # noqa: E402


def main() -> None:
    """Runs the command; Ctrl-C and SIGTERM are understood before anything large is imported."""
    with stoppable():
        from lineage.cli import main as run

        run()


if __name__ == "__main__":
    main()
