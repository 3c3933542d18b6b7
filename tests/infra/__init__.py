"""The infrastructure: as the Bicep compiler takes it, and what it evaluates to for the sets in `parameters`."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "infra"
