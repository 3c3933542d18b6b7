"""`python -m rotator`."""

import atexit
import os
import signal
import sys
import types
from collections.abc import Callable

INTERRUPTED = 130  # what a shell makes of SIGINT


def _abandon(_number: int, _frame: types.FrameType | None) -> None:
    os.write(2, b"Interrupted. Nothing was changed.\n")
    os._exit(INTERRUPTED)


def _end(_number: int, _frame: types.FrameType | None) -> None:
    os._exit(INTERRUPTED)


def _interrupts(handler: Callable[[int, types.FrameType | None], object] | signal.Handlers) -> None:
    """Have Ctrl-C do this, unless whoever started the process had it ignored, as `nohup` does."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def _main() -> None:
    _interrupts(_abandon)  # nothing has begun yet, and Python would show a traceback of its imports
    # Called last of all. From then on Python itself would let the signal end the process, whatever its exit code.
    atexit.register(_interrupts, signal.SIG_IGN)
    from rotator.commands import cli, terminal

    terminal.forgiving()
    _interrupts(signal.default_int_handler)
    with terminal.writing():
        try:
            cli.main(prog_name="python -m rotator", complete_var="_ROTATOR_COMPLETE")
        except SystemExit as end:
            sys.stdout.flush()
            _interrupts(_end)  # all is said
            if end.code in (INTERRUPTED, 128 + signal.SIGTERM):
                os._exit(end.code)  # threads that still wait for an answer are not waited for
            raise


if __name__ == "__main__":
    _main()
