"""A clock that is wrong, for commands on the master: a `date` that comes before the real one on their PATH."""

import datetime
import os
import shutil
from pathlib import Path

# GNU's date takes another moment with --date; the last one counts, so a command's own still does.
_SCRIPT = """#!/bin/sh
exec '{date}' --date="$CLOCK_SKEW seconds" "$@"
"""


def install(directory: Path) -> None:
    """Write the program into a directory of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    program = directory / "date"
    program.write_text(_SCRIPT.format(date=shutil.which("date")))
    program.chmod(0o755)


def skewed(environment: dict[str, str], directory: Path, skew: datetime.timedelta) -> dict[str, str]:
    """Return an environment in which that program runs, ahead by whole seconds; the same one without a skew."""
    if not skew:
        return environment
    path = f"{directory}{os.pathsep}{environment['PATH']}"
    return {**environment, "PATH": path, "CLOCK_SKEW": f"{skew.total_seconds():+.0f}"}
