"""The queries on the operators' page that no alert and no run-book has."""

import re
from pathlib import Path

import pytest

from tests.infra import kusto

pytestmark = pytest.mark.real

PAGE = (Path(__file__).resolve().parents[2] / "docs/operations.md").read_text()
HEADINGS = ["Logs", "Metrics and traces"]


def queries(heading: str) -> list[str]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [query.replace('\\"', '"') for query in re.findall(r'^logs "((?:\\.|[^"\\])+)"$', section, re.MULTILINE)]


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_query_is_right_by_kustos_own_parser(heading: str) -> None:
    found = kusto.analyse({query: query for query in queries(heading)})
    assert {query: each.diagnostics for query, each in found.items() if each.diagnostics} == {}


def test_every_query_is_looked_at() -> None:
    for heading in HEADINGS:
        section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        assert len(queries(heading)) == section.count('\nlogs "') > 1
