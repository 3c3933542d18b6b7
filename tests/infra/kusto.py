"""Kusto's own parser, on Node.js: what it says of a query, and the columns of the query's result."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "node_modules/@kusto/language-service-next/Kusto.Language.Bridge.js"
INSTALLED = Path(__file__).resolve().parents[2] / "build/kusto" / PACKAGE
# Columns that an alert or a run-book may want, from https://learn.microsoft.com/azure/azure-monitor/reference/tables-index
TABLES = {
    "AppTraces": "(TimeGenerated:datetime, Message:string, SeverityLevel:int, OperationName:string)",
    "AppRequests": "(TimeGenerated:datetime, Name:string, Success:bool, ResultCode:string, DurationMs:real)",
    "AppMetrics": "(TimeGenerated:datetime, Name:string, Sum:real, ItemCount:int, Properties:dynamic)",
    "AppDependencies": "(TimeGenerated:datetime, Name:string, Success:bool, DurationMs:real, Properties:dynamic)",
}


class Analysis(NamedTuple):
    """What the parser found."""

    diagnostics: list[str]
    columns: dict[str, str]


def analyse(queries: Mapping[str, str]) -> dict[str, Analysis]:
    """Analyse queries by their names; skips the test where the parser is not installed."""
    node, library = shutil.which("node"), Path(os.environ.get("KUSTO_JS") or INSTALLED)
    if node is None or not library.exists():
        pytest.skip("no Kusto parser here: it takes Node.js, and KUSTO_JS or build/kusto, see .ci/run")
    done = subprocess.run(
        [node, str(Path(__file__).with_suffix(".js")), str(library)],
        input=json.dumps({"tables": TABLES, "queries": dict(queries)}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {name: Analysis(**found) for name, found in json.loads(done.stdout).items()}
