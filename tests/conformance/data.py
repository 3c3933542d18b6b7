"""Where Azure's own words are; they are no part of the project."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@functools.cache
def folder(name: str) -> Path:
    """Find one of the folders next to the project, or skip: in a worktree it is further up."""
    for parent in ROOT.parents:
        found = parent / "shared" / "azure" / name
        if found.is_dir():
            return found
    pytest.skip(f"no ../shared/azure/{name}: nothing to hold this against")


def read(path: Path) -> Any:
    """Read JSON."""
    return json.loads(path.read_text())
