"""`python -m rotator`: Ctrl-C ends it without a traceback at any time, also while Python imports or exits."""

import atexit
import os
import signal
import sys
import types
from collections.abc import Callable

INTERRUPTED = 130  # the exit code that shells use for a process ended by SIGINT; also in rotator.commands.interrupts


def _exit_unchanged(_number: int, _frame: types.FrameType | None) -> None:
    os.write(2, b"Interrupted. Nothing was changed.\n")
    os._exit(INTERRUPTED)


def _exit_silently(_number: int, _frame: types.FrameType | None) -> None:
    os._exit(INTERRUPTED)


def _on_interrupt(handler: Callable[[int, types.FrameType | None], object] | signal.Handlers) -> None:
    """Set the handler of Ctrl-C, unless the process was started with SIGINT ignored, as with `nohup`."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, handler)


def _main() -> None:
    _on_interrupt(_exit_unchanged)  # nothing has begun, and Python would show a traceback of the imports
    # Runs last of all. Afterwards Python's default handler would let the signal replace the exit code.
    atexit.register(_on_interrupt, signal.SIG_IGN)
    from rotator.commands import cli, streams

    streams.replace_unencodable()
    _on_interrupt(signal.default_int_handler)
    with streams.report_write_errors():
        try:
            cli.main(prog_name="python -m rotator", complete_var="_ROTATOR_COMPLETE")
        except SystemExit as end:
            sys.stdout.flush()
            _on_interrupt(_exit_silently)  # everything is printed
            if end.code in (INTERRUPTED, 128 + signal.SIGTERM):
                os._exit(end.code)  # does not wait for threads that still wait for an answer
            raise


if __name__ == "__main__":
    _main()
