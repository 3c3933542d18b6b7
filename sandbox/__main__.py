"""`python -m sandbox`, which Ctrl-C ends without a traceback, also before there is anything to stop."""

import sys


def _main() -> int:
    try:
        from sandbox.command import main  # within, as it takes a second or two

        return main()
    except KeyboardInterrupt:
        print("\nInterrupted. Nothing was started.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(_main())
