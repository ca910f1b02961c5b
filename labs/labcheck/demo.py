"""``./scripts/demo``: the whole path on one machine, and the proof that it is a tunnel.

This module is only the door: it has to be read in a few milliseconds and to hold Ctrl-C from then on; what it
shows is in ``scenes``, read inside.

Exit codes: 0 proven (with ``--once``), 1 a step failed and its hop is named, 2 wrong usage, 3 the pieces
could not be started, 130 interrupted, which is also how it ends without ``--once``.
"""

import sys
from collections.abc import Sequence

from labcheck.interruptions import Interruptions
from labcheck.terminal import forget_stdout

EXIT_INTERRUPTED = 130


def main(argv: Sequence[str]) -> int:
    """Run the demonstration and return its exit code; `argv` is without the program's name."""
    try:
        with Interruptions() as interruptions:
            # Held: a KeyboardInterrupt that passes through an eval() of the modules being read (namedtuple
            # has one) makes Python end by the signal, whatever exit code is returned afterwards.
            with interruptions.held():
                from labcheck import scenes
            return scenes.run(argv, interruptions)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        forget_stdout()
        return EXIT_INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
