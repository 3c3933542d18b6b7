"""`make bench`: figures and ratios against named baselines, from one run; nothing is asserted."""

import argparse
import shutil
from collections.abc import Sequence

from bench import parts
from bench.options import Choice


def main(words: Sequence[str] | None = None) -> None:
    """Measure the parts that are named, or all, and print the figures."""
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = ", ".join(parts.PARTS)
    arguments.add_argument("part", nargs="*", help=f"what to measure: {names} (default: all)")
    arguments.add_argument("--rounds", type=int, default=15, help="times each way is measured (default 15)")
    arguments.add_argument(
        "--ansible", default="ansible-playbook", help="ansible-playbook, which delivery compares with where it is found"
    )
    asked = arguments.parse_intermixed_args(words)
    if unknown := [part for part in asked.part if part not in parts.PARTS]:
        arguments.error(f"there is no part {', '.join(unknown)}; the parts are {names}")
    choice = Choice(asked.rounds, shutil.which(asked.ansible))
    parts.run(list(dict.fromkeys(asked.part)) or list(parts.PARTS), choice)


if __name__ == "__main__":
    main()
