"""What the functions' import costs: seconds and memory of whole processes, against all six SDK packages up front."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench import figures
from bench.options import Choice

ROOT = Path(__file__).resolve().parent.parent
SIX = (
    "import azure.functions, azure.identity, azure.keyvault.secrets, azure.mgmt.storage, azure.mgmt.keyvault, paramiko"
)
FUNCTION_APP = "import function_app"
NOTHING = "pass"
# Not ru_maxrss: a forked process starts with its parent's.
_MEMORY = "\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"


def show(choice: Choice) -> None:
    """Print what importing the functions costs."""
    floor, base_memory = measure(NOTHING, choice.rounds)
    six, six_memory = measure(SIX, choice.rounds)
    ours, our_memory = measure(FUNCTION_APP, choice.rounds)
    print("\nImport, milliseconds (median) and peak memory of a process, above a bare interpreter's")
    figures.row("all six SDK packages (baseline)", six - floor, six - floor, f"{six_memory - base_memory:6.0f} MB")
    figures.row("function_app", ours - floor, six - floor, f"{our_memory - base_memory:6.0f} MB")
    print(f"  function_app imports {(six - floor) / (ours - floor):.1f} times faster")


def measure(code: str, rounds: int) -> tuple[float, float]:
    """Return the median seconds of a process that runs `code`, and its peak memory in MB."""
    seconds, memory = [], 0
    for _ in range(rounds + 1):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code + _MEMORY], cwd=ROOT, capture_output=True, text=True, check=True
        )
        seconds.append(time.perf_counter() - began)
        memory = int(done.stdout)
    return statistics.median(seconds[1:]), memory / 1024
