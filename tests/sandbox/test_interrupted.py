"""Ctrl-C ends the demo and the sandbox with 130 and words, also while Python still imports what they need."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

INTERRUPTING = """
import runpy, signal, sys

class Interrupting:
    def find_spec(self, name, *_):
        if name == "sandbox.world":
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
runpy.run_module(sys.argv[1], run_name="__main__")
"""


@pytest.mark.parametrize("module", ["demo", "sandbox"])
def test_an_interrupt_while_modules_are_imported_shows_no_traceback(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTING, module], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 130
    assert done.stdout == ""
    assert done.stderr.startswith("\nInterrupted. ")
    assert "Traceback" not in done.stderr
