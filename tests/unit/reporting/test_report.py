import dataclasses
import datetime
import json

import pytest

from rotator.azure.errors import VaultError
from rotator.delivery.errors import CommandKilledError, SshError
from rotator.plan.plan import Strategy
from rotator.redaction import SecretText
from rotator.reporting import report
from rotator.reporting.report import (
    Failed,
    KeyOutcome,
    KeyReport,
    Outcome,
    Report,
    Rotated,
    TargetReport,
    Trigger,
    Unchanged,
    WouldRotate,
)
from tests.fakes.examples import DIGEST, FINGERPRINT, LABEL, NOW

ROTATED = Rotated(
    reason="the SAS is 30 min old",
    act="recreate",
    fingerprint=FINGERPRINT,
    expires=NOW + datetime.timedelta(hours=4),
    definition=LABEL,
    digest=DIGEST,
    previous_digest=None,
    proof="accepted",
)

KEY = KeyReport(
    operation="revoke",
    outcome=KeyOutcome.DONE,
    reason="asked for",
    active_key="key1",
    regenerated=("key2", "key1"),
    cut_off=("default/s0@m did not get another SAS before",),
    proofs=(f"{FINGERPRINT}: storage answered 403",),
)


def report_of(*outcomes: Outcome) -> Report:
    return Report(
        run="20260701T120000Z-abc123",
        trigger=Trigger.TIMER,
        forced=False,
        started=NOW,
        finished=NOW + datetime.timedelta(seconds=2),
        targets=tuple(
            TargetReport(f"default/s{number}@m", Strategy.RECREATE, outcome, {"connect": 0.12345}, ("mind",))
            for number, outcome in enumerate(outcomes)
        ),
        warnings=("pin the SHA256 fingerprint",),
    )


def test_report_of_a_rotation_as_json() -> None:
    assert json.loads(json.dumps(report_of(ROTATED).as_json())) == {
        "run": "20260701T120000Z-abc123",
        "trigger": "timer",
        "asked_by": "",
        "forced": False,
        "started": "2026-07-01T12:00:00Z",
        "finished": "2026-07-01T12:00:02Z",
        "interval_seconds": None,
        "failed": False,
        "error": None,
        "definition_changed": False,
        "warnings": ["pin the SHA256 fingerprint"],
        "key": None,
        "targets": [
            {
                "target": "default/s0@m",
                "strategy": "recreate",
                "outcome": "rotated",
                "reason": "the SAS is 30 min old",
                "act": "recreate",
                "fingerprint": FINGERPRINT,
                "expires": "2026-07-01T16:00:00Z",
                "definition": LABEL,
                "digest": DIGEST,
                "previous_digest": None,
                "proof": "accepted",
                "signing_key": None,
                "drift": False,
                "correlation_id": None,
                "warnings": ["mind"],
                "seconds": {"connect": 0.123},
            }
        ],
        "past_due": False,
        "late_seconds": None,
        "interrupted": None,
        "tolerance": None,
    }


def test_each_outcome_has_its_kind_and_its_fields() -> None:
    outcomes: list[Outcome] = [
        ROTATED,
        Unchanged("its SAS is fresh", None),
        WouldRotate("there is no Secret yet"),
        Failed("E", "m", "r"),
    ]
    targets = report_of(*outcomes).as_json()["targets"]
    assert [target["outcome"] for target in targets] == ["rotated", "unchanged", "due", "failed"]
    assert targets[1]["expires"] is None
    assert targets[2]["reason"] == "there is no Secret yet"
    assert (targets[3]["error"], targets[3]["message"], targets[3]["remedy"]) == ("E", "m", "r")


def test_no_outcomes_field_hides_one_of_the_targets_own() -> None:
    own = {"target", "strategy", "outcome", "warnings", "seconds"}
    for kind in (Rotated, Unchanged, WouldRotate, Failed):
        assert own.isdisjoint(field.name for field in dataclasses.fields(kind))


def test_no_part_of_a_report_can_hold_a_secret() -> None:
    for kind in (Rotated, Unchanged, WouldRotate, Failed, TargetReport, Report):
        assert not any("Secret" in str(field.type) or "Sas" in str(field.type) for field in dataclasses.fields(kind))


def test_times_are_told_in_utc() -> None:
    east = datetime.timezone(datetime.timedelta(hours=2))
    shown = dataclasses.replace(report_of(), started=NOW.astimezone(east)).as_json()
    assert shown["started"] == "2026-07-01T12:00:00Z"


def test_report_failed_when_one_target_did() -> None:
    assert not report_of().failed
    assert not report_of(ROTATED, Unchanged("fresh", NOW), WouldRotate("why")).failed
    assert report_of(ROTATED, Failed("E", "m", "r")).failed


def test_counts_name_each_kind_once() -> None:
    assert report_of(ROTATED, Failed("E", "m", "r"), ROTATED).counts() == "1 failed, 2 rotated"
    assert report_of().counts() == ""


def test_failure_of_our_own_is_told_with_its_kind_and_remedy() -> None:
    outcome = report.failure(CommandKilledError("a signal ended it"))
    assert outcome == Failed(
        "CommandKilledError",
        "a signal ended it",
        "Check the master's kernel log (out of memory?) and its process limits.",
    )


def test_failure_with_its_own_remedy_tells_that_instead() -> None:
    assert report.failure(VaultError("no", remedy="Ask again.")).remedy == "Ask again."


def test_unexpected_failure_is_named_and_scrubbed() -> None:
    secret = SecretText("hunter2-hunter2")
    outcome = report.failure(KeyError(f"{secret.reveal()} &sig=Zm9v"))
    assert outcome.error == "UnexpectedError"
    assert outcome.message == "KeyError: '[secret] &sig=[secret]'"
    assert "hunter2" not in outcome.message
    assert "Zm9v" not in outcome.message
    assert "please report it" in outcome.remedy


def test_words_of_our_own_failure_are_scrubbed_too() -> None:
    secret = SecretText("hunter2-hunter2")
    assert report.failure(SshError("no hunter2-hunter2")).message == "no [secret]"
    assert secret.reveal() == "hunter2-hunter2"


def test_report_of_a_revocation_as_json() -> None:
    shown = dataclasses.replace(report_of(ROTATED), key=KEY).as_json()
    assert json.loads(json.dumps(shown))["key"] == {
        "operation": "revoke",
        "outcome": "done",
        "reason": "asked for",
        "active_key": "key1",
        "regenerated": ["key2", "key1"],
        "remaining": [],
        "cut_off": ["default/s0@m did not get another SAS before"],
        "proofs": ["3eb1bd439947eb76: storage answered 403"],
        "failure": None,
    }


def test_failure_of_a_key_rotation_is_in_its_report() -> None:
    failed = dataclasses.replace(KEY, outcome=KeyOutcome.UNFINISHED, remaining=("key1",), failure=Failed("E", "m", "r"))
    shown = dataclasses.replace(report_of(ROTATED), key=failed).as_json()["key"]
    assert shown["failure"] == {"error": "E", "message": "m", "remedy": "r"}
    assert shown["remaining"] == ["key1"]


@pytest.mark.parametrize(
    ("outcome", "failed"),
    [
        (KeyOutcome.DONE, False),
        (KeyOutcome.DUE, False),
        (KeyOutcome.WAITING, False),
        (KeyOutcome.UNFINISHED, True),
        (KeyOutcome.FAILED, True),
    ],
)
def test_report_failed_when_what_was_to_be_done_to_the_keys_did(outcome: KeyOutcome, *, failed: bool) -> None:
    found = dataclasses.replace(report_of(ROTATED), key=dataclasses.replace(KEY, outcome=outcome))
    assert (found.failed, found.targets_failed) == (failed, False)
    assert found.counts() == f"1 rotated, revoke {outcome}"
