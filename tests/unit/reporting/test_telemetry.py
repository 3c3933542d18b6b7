"""What is said of a run in metrics and traces, whoever takes it in."""

import contextlib
import dataclasses
import datetime
from collections.abc import Iterator

import pytest

from rotator import telemetry
from rotator.azure.errors import VaultError
from rotator.reporting import publish
from rotator.reporting.report import Failed, Outcome, Report, Rotated, TargetReport, Trigger, Unchanged
from rotator.stopwatch import Step, Stopwatch
from rotator.telemetry import Attributes

NOW = datetime.datetime(2026, 11, 24, 12, 0, tzinfo=datetime.UTC)
IN_AN_HOUR = NOW + datetime.timedelta(hours=1)
ROTATED = Rotated("it was due", "recreate", "abc", IN_AN_HOUR, "definition", "digest", None, "accepted")
FAILED = Failed("HostKeyRejectedError", "it shows another key", "Look.")

Item = tuple[str, float, Attributes]


@dataclasses.dataclass
class Notebook:
    """Keeps everything, span names with their depth."""

    spans: list[tuple[int, str, str]] = dataclasses.field(default_factory=list)
    ends: list[tuple[str | None, Attributes]] = dataclasses.field(default_factory=list)
    items: list[Item] = dataclasses.field(default_factory=list)
    depth: int = 0

    @contextlib.contextmanager
    def span(self, name: str, attributes: Attributes) -> Iterator[None]:
        self.depth += 1
        ending = "done"
        try:
            yield
        except BaseException as error:
            ending = type(error).__name__
            raise
        finally:
            self.depth -= 1
            self.spans.append((self.depth, name, ending))

    def conclude(self, error: str | None, attributes: Attributes) -> None:
        self.ends.append((error, attributes))

    def count(self, name: str, attributes: Attributes) -> None:
        self.items.append((name, 1, attributes))

    def measure(self, name: str, value: float, attributes: Attributes) -> None:
        self.items.append((name, value, attributes))

    def countdown(self, name: str, seconds: float, attributes: Attributes) -> None:
        self.items.append((name, seconds, attributes))

    def named(self, name: str) -> list[tuple[float, Attributes]]:
        return [(value, attributes) for known, value, attributes in self.items if known == name]


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    taking = Notebook()
    before = telemetry.use(taking)
    yield taking
    telemetry.use(before)


def report(*outcomes: Outcome, error: Failed | None = None) -> Report:
    targets = tuple(TargetReport(f"t{number}", "apply", outcome, {}) for number, outcome in enumerate(outcomes))
    return Report("r1", Trigger.TIMER, forced=False, started=NOW, finished=NOW, targets=targets, error=error)


def test_until_it_is_said_where_it_goes_it_goes_nowhere() -> None:
    with telemetry.span("rotator.step", step="issue"):
        telemetry.count("rotator.runs")
        telemetry.measure("rotator.lease.wait", 0.1)
        publish.measure(report(ROTATED, FAILED), NOW)


def test_each_target_counts_by_its_outcome(notebook: Notebook) -> None:
    publish.measure(report(ROTATED, Unchanged("fresh", IN_AN_HOUR), FAILED), NOW)

    assert notebook.named(telemetry.ROTATIONS) == [
        (1, {"outcome": "rotated", "trigger": "timer"}),
        (1, {"outcome": "unchanged", "trigger": "timer"}),
        (1, {"outcome": "failed", "trigger": "timer", "error": "HostKeyRejectedError"}),
    ]


def test_the_seconds_to_expiry_are_told_where_they_are_known(notebook: Notebook) -> None:
    known = Unchanged("fresh", NOW + datetime.timedelta(minutes=1))
    publish.measure(report(ROTATED, known, Unchanged("there is no Secret", None), FAILED), NOW)

    assert notebook.named(telemetry.SECONDS_TO_EXPIRY) == [(3600, {"target": "t0"}), (60, {"target": "t1"})]


def test_what_a_failed_target_still_holds_counts_down_too(notebook: Notebook) -> None:
    held = TargetReport("t0", "apply", FAILED, {}, expires=IN_AN_HOUR)
    publish.measure(dataclasses.replace(report(), targets=(held,)), NOW)

    assert notebook.named(telemetry.SECONDS_TO_EXPIRY) == [(3600, {"target": "t0"})]


@pytest.mark.parametrize(
    ("done", "outcome", "error"),
    [
        (report(ROTATED), "done", None),
        (report(ROTATED, FAILED), "failed", "1 failed, 1 rotated"),
        (report(error=Failed("VaultForbiddenError", "…", "…")), "failed", "VaultForbiddenError"),
    ],
    ids=["done", "a failed target", "refused"],
)
def test_a_run_counts_and_its_span_says_how_it_ended(
    notebook: Notebook, done: Report, outcome: str, error: str | None
) -> None:
    publish.measure(done, NOW)

    assert notebook.named(telemetry.RUNS) == [(1, {"outcome": outcome, "trigger": "timer"})]
    assert notebook.ends == [(error, {"run": "r1", "outcome": outcome})]


def test_a_step_is_a_span_and_its_duration_is_measured(notebook: Notebook) -> None:
    seconds = Stopwatch()
    with telemetry.span("rotator.rotate"), seconds.step(Step.ISSUE):
        pass

    assert notebook.spans == [(1, "rotator.issue", "done"), (0, "rotator.rotate", "done")]
    assert notebook.named(telemetry.STEP_DURATION) == [(seconds.laps["issue"], {"step": "issue"})]


def test_a_step_that_fails_is_measured_too(notebook: Notebook) -> None:
    with pytest.raises(VaultError), Stopwatch().step(Step.VAULT):
        raise VaultError("no")

    assert notebook.spans == [(0, "rotator.vault", "VaultError")]
    assert len(notebook.named(telemetry.STEP_DURATION)) == 1
