"""`python -m demo`, which Ctrl-C ends without a traceback."""

import sys


def _main() -> int:
    try:
        from demo.showing import main  # within, as it takes a second or two

        return main()
    except KeyboardInterrupt:
        print("\nInterrupted. The sandbox is stopped; nothing is left behind.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(_main())
