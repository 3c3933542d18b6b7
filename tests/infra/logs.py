"""What Log Analytics would hold, in a database that understands Kusto's queries."""

import datetime
import functools
import json
from typing import Any

import duckdb_kql

from rotator.reporting.report import Report

Row = dict[str, Any]
_COLUMNS = {
    "AppTraces": ["TimeGenerated", "Message", "SeverityLevel"],
    "AppRequests": ["TimeGenerated", "Name", "Success"],
}
MOST = datetime.timedelta(days=2)  # as far as Azure Monitor's alerts look back


@functools.cache
def _translated(text: str) -> str:
    """Translate a query to SQL, once: it takes longer than the query."""
    return str(duckdb_kql.to_sql(text, schema=_COLUMNS))


class Logs:
    """Tables of a workspace; times are told by how long before `now` they were."""

    def __init__(self, now: datetime.datetime) -> None:
        self._now = now
        self._database = duckdb_kql.connect()
        self._database.execute("CREATE TABLE AppTraces (TimeGenerated TIMESTAMP, Message VARCHAR, SeverityLevel INT)")
        self._database.execute("CREATE TABLE AppRequests (TimeGenerated TIMESTAMP, Name VARCHAR, Success BOOLEAN)")

    def line(self, ago: datetime.timedelta, message: str, severity: int = 1) -> None:
        """Take in a line of the app's log, unless it is too old for an alert."""
        self._add("AppTraces", ago, message, severity)

    def report(self, ago: datetime.timedelta, report: Report) -> None:
        """Take in the line that a run writes at its end."""
        self.line(ago, f"report {json.dumps(report.as_json(), separators=(',', ':'))}", 3 if report.failed else 1)

    def request(self, ago: datetime.timedelta, name: str, *, success: bool) -> None:
        """Take in an invocation, as the host tells of it."""
        self._add("AppRequests", ago, name, success)

    def query(self, text: str) -> list[Row]:
        """Give the rows that a query finds."""
        found = self._database.sql(_translated(text))
        return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]

    def close(self) -> None:
        """Forget everything."""
        self._database.close()

    def _add(self, table: str, ago: datetime.timedelta, *values: object) -> None:
        if ago <= MOST:
            when = (self._now - ago).replace(tzinfo=None)
            marks = ", ".join("?" * (1 + len(values)))
            self._database.execute(f"INSERT INTO {table} VALUES ({marks})", [when, *values])
