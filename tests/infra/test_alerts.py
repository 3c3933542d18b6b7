"""Each alert rule is one that Azure takes, reads what the app writes, and has its run-book."""

import datetime
import json
import re
from collections.abc import Iterator

import pytest

from rotator.reporting.report import Failed, Report, Rotated, TargetReport, Trigger
from tests.infra import FOLDER, ROOT, alerts, kusto
from tests.infra.alerts import Rule
from tests.infra.deployments import Deployment, Resource

OPERATIONS = (ROOT / "docs/operations.md").read_text()
SEVERITIES = {
    "Host key rejected": 0,
    "SAS expires": 1,
    "Two failed runs": 2,
    "No run": 2,
    "Timer silent": 2,
    "Timer silent: call": 4,
}
CALL = "Timer silent: call"
# https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-create-log-alert-rule
FREQUENCIES = {"PT1M": "1 minute", "PT5M": "5 minutes", "PT15M": "15 minutes"}
MINUTES = {"PT1M": 1, "PT5M": 5, "PT15M": 15, "P2D": 2880}
NOON = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
REJECTED = Failed("HostKeyRejectedError", "the host showed another key", "Compare it with the console.")
ROTATED = Rotated("it is due", "create", "f" * 16, NOON, "blobrwu4hours", "d" * 64, None, "accepted")


@pytest.fixture(scope="module")
def rules(sets: dict[str, Deployment]) -> list[Rule]:
    """All of them: this set has an address, and a function to call."""
    return alerts.rules(sets["private"])


@pytest.fixture(scope="module")
def rule(rules: list[Rule]) -> dict[str, Rule]:
    return {each.title: each for each in rules}


@pytest.fixture(scope="module")
def analysed(rules: list[Rule]) -> dict[str, kusto.Analysis]:
    return kusto.analyse({each.title: each.query for each in rules})


def report(*outcomes: Failed | Rotated, error: Failed | None = None) -> Report:
    targets = tuple(TargetReport("default/storage-sas@master", "recreate", outcome, {}) for outcome in outcomes)
    interval = datetime.timedelta(minutes=30)
    return Report("run-1", Trigger.TIMER, False, NOON, NOON, targets, asked_by="timer", interval=interval, error=error)


def section(heading: str) -> str:
    return OPERATIONS.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def runbooks() -> dict[str, str]:
    headed = re.split(r"^### (.+)$", section("Run-books"), flags=re.MULTILINE)[1:]
    return dict(zip(headed[::2], headed[1::2], strict=True))


def documented() -> Iterator[tuple[str, int, str]]:
    """What the table of alerts says: name, severity, how soon."""
    for line in re.findall(r"^\| \[.*$", section("Alerts"), re.MULTILINE):
        name, _, severity, soon = (cell.strip() for cell in line.strip("|").split(" | "))
        yield name[1:].partition("]")[0], int(severity), soon


def test_each_rule_is_as_severe_as_it_is_meant_to_be(rules: list[Rule]) -> None:
    assert {each.title: each.severity for each in rules} == SEVERITIES


def test_the_table_of_alerts_tells_each_rule(rules: list[Rule]) -> None:
    assert sorted(documented()) == sorted((each.title, each.severity, FREQUENCIES[each.frequency]) for each in rules)


def test_every_rule_has_a_run_book_and_every_run_book_a_rule(rules: list[Rule]) -> None:
    assert set(runbooks()) == {each.title for each in rules}


@pytest.mark.parametrize("part", ["Means", "Look at", "Do", "Clears"])
def test_each_run_book_is_complete(part: str) -> None:
    assert [title for title, text in runbooks().items() if text.count(f"\n**{part}") != 1] == []


def test_each_row_that_a_query_finds_raises_an_alert(rules: list[Rule]) -> None:
    for each in rules:
        assert each.others["criteria"] == {
            "timeAggregation": "Count",
            "operator": "GreaterThan",
            "threshold": 0,
            "failingPeriods": {"numberOfEvaluationPeriods": 1, "minFailingPeriodsToAlert": 1},
        }
        assert "muteActionsDuration" not in each.others  # Azure takes one of the two, and it would skip calls


def test_an_alert_for_people_clears_by_itself_and_the_app_is_called_again_and_again(rules: list[Rule]) -> None:
    """A stateful rule acts once until it has cleared; a stateless one acts at each evaluation."""
    assert {each.title: each.others["autoMitigate"] for each in rules} == {title: title != CALL for title in SEVERITIES}


def test_the_app_is_called_for_what_people_are_told(rule: dict[str, Rule]) -> None:
    assert rule[CALL].query == rule["Timer silent"].query


def test_each_rule_says_where_its_run_book_is(rules: list[Rule]) -> None:
    for each in rules:
        assert str(each.others["description"]).endswith(f" Run-book: docs/operations.md, {each.title}.")


def test_somebody_is_told_where_there_is_an_address(sets: dict[str, Deployment]) -> None:
    for name in ("everything", "private", "existing-private"):
        (people,) = groups(sets[name], "rotator-operators")
        addresses = [each["emailAddress"] for each in people["properties"]["emailReceivers"]]
        assert addresses == ["operators@example.com"]
        for each in alerts.rules(sets[name]):
            if each.title != CALL:
                assert each.others["actions"] == {"actionGroups": [people["id"]]}
    assert sets["default"].of("Microsoft.Insights/actionGroups") == []
    assert {str(each.others["actions"]) for each in alerts.rules(sets["default"])} == {"{'actionGroups': []}"}


@pytest.mark.parametrize("name", ["private", "existing"])
def test_the_app_and_nobody_else_is_called_where_that_is_on(sets: dict[str, Deployment], name: str) -> None:
    (caller,) = groups(sets[name], "rotator-second-trigger")
    (call,) = [each for each in alerts.rules(sets[name]) if each.title == CALL]
    assert call.others["actions"] == {"actionGroups": [caller["id"]]}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("default", id="there is no address"),
        pytest.param("no-principal", id="no package was deployed yet"),
        pytest.param("existing-private", id="somebody switched it off"),
    ],
)
def test_the_app_is_not_called_where(sets: dict[str, Deployment], name: str) -> None:
    assert CALL not in {each.title for each in alerts.rules(sets[name])}


def test_where_nobody_watches_for_runs_the_rule_that_calls_is_there_and_off(sets: dict[str, Deployment]) -> None:
    """An incremental deployment deletes nothing: a rule that is left out would go on calling."""
    assert [each.enabled for each in alerts.rules(sets["everything"]) if each.title == CALL] == [False]


def groups(deployment: Deployment, name: str) -> list[Resource]:
    return [each for each in deployment.of("Microsoft.Insights/actionGroups") if each["name"] == name]


def test_every_rule_is_switched_on_but_those_that_may_be_switched_off(sets: dict[str, Deployment]) -> None:
    assert [each.title for each in alerts.rules(sets["default"]) if not each.enabled] == []
    off = {each.title for each in alerts.rules(sets["everything"]) if not each.enabled}
    assert off == {"No run", "Timer silent", CALL}


def test_no_rule_looks_back_further_or_more_often_than_azure_does(rules: list[Rule]) -> None:
    for each in rules:
        assert MINUTES[each.frequency] <= MINUTES[each.window] <= MINUTES[each.range] <= MINUTES["P2D"], each.title


def test_no_rule_has_an_operator_that_azure_refuses_in_alerts(rules: list[Rule]) -> None:
    for each in rules:
        assert not re.search(r"\b(union|search|take|limit|ingestion_time|adx)\b", code(each.query)), each.title


def test_what_is_asked_each_minute_is_one_simple_question(rules: list[Rule]) -> None:
    (each,) = [each for each in rules if each.frequency == "PT1M"]
    assert re.findall(r"^(?:\| )?(\w+)", code(each.query), re.MULTILINE) == ["AppTraces", "where", "where"]


def test_every_query_is_in_a_rule(rules: list[Rule]) -> None:
    kept = [path.read_text() for path in (FOLDER / "app/alerts").iterdir()]
    assert sorted(kept) == sorted({each.query for each in rules})


def code(query: str) -> str:
    return re.sub(r"//.*", "", query)


@pytest.mark.real
def test_every_query_is_right_by_kustos_own_parser(analysed: dict[str, kusto.Analysis]) -> None:
    assert {title: each.diagnostics for title, each in analysed.items() if each.diagnostics} == {}


@pytest.mark.real
def test_rows_of_two_days_count_as_of_now(rules: list[Rule], analysed: dict[str, kusto.Analysis]) -> None:
    """With TimeGenerated in the result, Azure would count the rows of the last window only."""
    timed = {each.title for each in rules if "TimeGenerated" in analysed[each.title].columns}
    assert timed == {each.title for each in rules if each.range == each.window}


@pytest.mark.real
def test_rules_split_by_columns_of_text_that_the_result_has(
    rules: list[Rule], analysed: dict[str, kusto.Analysis]
) -> None:
    for each in rules:
        assert {analysed[each.title].columns[name] for name in each.dimensions} <= {"string"}


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("Message", "Mesage"),
        ("AppTraces", "AppTrace"),
        ("startswith", "startswth"),
        ("where", "were"),
        ("max(TimeGenerated)", "max(TimeGenerated"),
    ],
)
@pytest.mark.real
def test_a_mistake_in_a_query_is_noticed(rule: dict[str, Rule], right: str, wrong: str) -> None:
    query = rule["No run"].query
    assert right in query
    assert kusto.analyse({"it": query.replace(right, wrong)})["it"].diagnostics != []


@pytest.mark.real
def test_the_run_books_queries_are_right_by_kustos_own_parser() -> None:
    queries = re.findall(r'^logs "(.+)"$', section("Run-books"), re.MULTILINE)
    assert len(queries) > 3
    found = kusto.analyse({query: query.replace('\\"', '"') for query in queries})
    assert {query: each.diagnostics for query, each in found.items() if each.diagnostics} == {}


def test_the_queries_read_what_a_report_has(rules: list[Rule]) -> None:
    texts = " ".join(each.query for each in rules)
    written = report(ROTATED).as_json()
    read = set(re.findall(r"\b(?:Report|Message, 7\)\))\.(\w+)", texts))
    assert read == {"run", "trigger", "failed", "interval_seconds", "targets"}
    assert read <= set(written)
    read_of_targets = set(re.findall(r"\bOutcome\.(\w+)", texts))
    assert read_of_targets == {"target", "outcome", "expires"}
    assert read_of_targets <= set(written["targets"][0])


def test_times_and_intervals_in_a_report_are_what_the_queries_take_them_for() -> None:
    written = report(ROTATED).as_json()
    assert written["interval_seconds"] == 1800
    assert datetime.datetime.fromisoformat(written["targets"][0]["expires"]) == NOON
    assert (written["trigger"], written["failed"]) == ("timer", False)


def test_the_queries_find_the_line_that_a_run_writes(rules: list[Rule]) -> None:
    assert any('"report %s"' in path.read_text() for path in (ROOT / "rotator").rglob("*.py"))
    for each in rules:
        assert "AppTraces\n" in each.query
        assert set(re.findall(r"startswith '(.*?)'", each.query)) == {"report {"}
        assert set(re.findall(r"substring\(Message, (\d+)\)", each.query)) <= {str(len("report "))}


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@pytest.mark.parametrize("rejected", [report(ROTATED, REJECTED), report(error=REJECTED)])
def test_a_rejected_host_key_is_found(rule: dict[str, Rule], rejected: Report, separators: tuple[str, str]) -> None:
    assert host_key(rule).search(json.dumps(rejected.as_json(), separators=separators))


@pytest.mark.parametrize(
    "other",
    [report(ROTATED), report(Failed("UnreachableError", "unlike HostKeyRejectedError, no answer", "Wait."))],
)
def test_nothing_else_is_taken_for_a_rejected_host_key(rule: dict[str, Rule], other: Report) -> None:
    assert not host_key(rule).search(json.dumps(other.as_json()))


def host_key(rule: dict[str, Rule]) -> re.Pattern[str]:
    (found,) = re.findall(r"matches regex '(.+)'", rule["Host key rejected"].query)
    return re.compile(found)


@pytest.mark.parametrize("title", ["Two failed runs", "Timer silent"])
def test_a_killed_run_is_known_by_the_name_of_the_timers_function(rule: dict[str, Rule], title: str) -> None:
    (name,) = re.findall(r"Name == '(\w+)'", rule[title].query)
    assert f'@app.function_name("{name}")\n@app.timer_trigger' in (ROOT / "function_app.py").read_text()


def test_no_line_that_an_alert_needs_is_left_out_by_sampling() -> None:
    host = json.loads((ROOT / "host.json").read_text())
    kept = host["logging"]["applicationInsights"]["samplingSettings"]["excludedTypes"]
    assert {"Trace", "Request"} <= set(kept.split(";"))
