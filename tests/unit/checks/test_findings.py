"""A checkup as a whole: whether a rotation would fail, how many findings have which level, and its JSON."""

import datetime
import json

import pytest

from rotator.checks.findings import Checkup, Finding, Level
from tests.fakes import examples

LATER = examples.NOW + datetime.timedelta(seconds=2)


def checkup(*levels: Level) -> Checkup:
    findings = tuple(Finding(f"check {number}", level, "text") for number, level in enumerate(levels))
    return Checkup(examples.NOW, LATER, findings)


def test_one_failure_fails_the_checkup() -> None:
    assert checkup(Level.OK, Level.WARNING, Level.FAILURE).failed


@pytest.mark.parametrize("level", [Level.OK, Level.WARNING, Level.SKIPPED])
def test_nothing_but_a_failure_fails_it(level: Level) -> None:
    assert not checkup(Level.OK, level).failed


def test_nothing_found_is_no_failure() -> None:
    assert not checkup().failed


def test_the_verdict_names_the_levels_that_occur_from_good_to_bad() -> None:
    found = checkup(Level.SKIPPED, Level.FAILURE, Level.OK, Level.OK)
    assert found.verdict() == "a rotation would fail: 2 ok, 1 failure, 1 skipped"


def test_the_verdict_counts_several_in_the_plural() -> None:
    found = checkup(Level.WARNING, Level.OK, Level.WARNING)
    assert found.verdict() == "nothing would make a rotation fail: 1 ok, 2 warnings"


def test_json_has_every_line_in_order_and_times_in_utc() -> None:
    finding = Finding("login", Level.FAILURE, "no", "Do this.", "do 'this'", 0.12345)
    found = Checkup(examples.NOW, LATER, (Finding("settings", Level.OK, "sound"), finding))
    assert json.loads(json.dumps(found.as_json())) == {
        "started": "2026-07-01T12:00:00Z",
        "finished": "2026-07-01T12:00:02Z",
        "failed": True,
        "findings": [
            {"check": "settings", "level": "ok", "text": "sound", "remedy": "", "command": "", "seconds": 0.0},
            {
                "check": "login",
                "level": "failure",
                "text": "no",
                "remedy": "Do this.",
                "command": "do 'this'",
                "seconds": 0.123,
            },
        ],
    }
