"""What the functions' import costs: seconds and memory of whole processes, against all six SDK packages up front."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SIX = (
    "import azure.functions, azure.identity, azure.keyvault.secrets, azure.mgmt.storage, azure.mgmt.keyvault, paramiko"
)
FUNCTION_APP = "import function_app"
NOTHING = "pass"
# Not ru_maxrss: a forked process starts with its parent's.
_MEMORY = "\nprint(next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')))"


def measure(code: str, rounds: int = 7) -> tuple[float, float]:
    """Give the median seconds of a process that runs `code`, and its peak memory in MB."""
    seconds, memory = [], 0
    for _ in range(rounds + 1):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", code + _MEMORY], cwd=ROOT, capture_output=True, text=True, check=True
        )
        seconds.append(time.perf_counter() - began)
        memory = int(done.stdout)
    return statistics.median(seconds[1:]), memory / 1024
