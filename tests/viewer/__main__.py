"""`python -m tests.viewer`: the viewer next to the sandbox, and a rotation every half minute, until Ctrl-C."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from rich.console import Console

from sandbox import programs
from sandbox.world import SECRET_NAME, World
from tests.viewer.process import Viewer, settings_for
from tests.viewer.volume import SecretVolume

SECONDS = 30
console = Console(highlight=False, soft_wrap=True)


def main() -> int:
    """Stay up until a signal comes; 2 when a part is missing."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    try:
        programs.require_kubectl()
    except programs.MissingProgramError as missing:
        console.print(str(missing))
        return 2
    with World() as world, tempfile.TemporaryDirectory(prefix="viewer-") as name:
        volume = SecretVolume(Path(name) / "storage")
        rotate(world, volume)
        with Viewer(settings_for(world, volume.path / "secretKey"), Path(name) / "viewer.log") as viewer:
            console.print(f"\n[bold]{viewer.url}[/] shows the picture; a rotation every {SECONDS} s; Ctrl-C ends it\n")
            while not ended.wait(SECONDS):
                rotate(world, volume)
    return 0


def rotate(world: World, volume: SecretVolume) -> None:
    """Run the product, and mount what it delivered."""
    command = [sys.executable, "-m", "rotator", "rotate", "--force"]
    subprocess.run(command, env={**os.environ, "SAS_PERMISSIONS": "rl", **world.settings}, check=True)
    secret = world.read_secret("default", SECRET_NAME)
    if secret is not None:
        volume.project(secret)


if __name__ == "__main__":
    sys.exit(main())
