import dataclasses
import datetime
import json
from typing import Any

import pytest

from rotator.plan.plan import Strategy
from rotator.redaction import SecretText
from rotator.reporting import chat_message
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
from tests.fakes.examples import DIGEST, FINGERPRINT, LABEL, NOW, TOKEN

UNTIL = NOW + datetime.timedelta(hours=4)
ROTATED = Rotated("the SAS is 30 min old", "recreate", FINGERPRINT, UNTIL, LABEL, DIGEST, None, "accepted")
DRIFTED = dataclasses.replace(ROTATED, reason="the Secret was changed by hand", drift=True)
UNCHANGED = Unchanged("its SAS is fresh", UNTIL)
FAILED = Failed("KubernetesForbiddenError", "kubectl said: forbidden", "Grant the verbs.")
REVOKED = KeyReport("revoke", KeyOutcome.DONE, "it leaked", regenerated=("key2", "key1"), cut_off=("default/s0@m",))
WHERE = "Run `20260701T120000Z-abc123`, asked for by `timer`. For the status: `python -m rotator status`"


def report_of(*outcomes: Outcome, **changes: Any) -> Report:
    targets = tuple(
        TargetReport(f"default/s{number}@m", Strategy.RECREATE, outcome, {}) for number, outcome in enumerate(outcomes)
    )
    report = Report("20260701T120000Z-abc123", Trigger.TIMER, False, NOW, NOW, targets, asked_by="timer")
    return dataclasses.replace(report, **changes)


def slack(report: Report) -> list[str]:
    """The lines of the one text that Slack gets."""
    payload = chat_message.compose(report, teams=False)
    assert set(payload) == {"text"}
    return str(payload["text"]).splitlines()


def teams(report: Report) -> list[str]:
    """The lines of the card that Teams gets."""
    (attachment,) = chat_message.compose(report, teams=True)["attachments"]
    return [run["text"] for block in attachment["content"]["body"] for run in block["inlines"]]


def failed(words: str) -> Report:
    return report_of(Failed("ManifestRejectedError", words, ""))


@pytest.mark.parametrize(
    "report",
    [
        report_of(FAILED),
        report_of(ROTATED, FAILED),
        report_of(error=FAILED),
        report_of(DRIFTED),
        report_of(UNCHANGED, key=REVOKED),
        report_of(ROTATED, key=dataclasses.replace(REVOKED, outcome=KeyOutcome.UNFINISHED)),
        report_of(ROTATED, key=dataclasses.replace(REVOKED, outcome=KeyOutcome.FAILED)),
    ],
    ids=["failed", "one failed", "refused", "drift", "key", "unfinished", "key failed"],
)
def test_failures_drift_and_what_is_done_to_keys_are_worth_telling(report: Report) -> None:
    assert chat_message.is_worth_a_message(report)


@pytest.mark.parametrize(
    "report",
    [
        report_of(ROTATED),
        report_of(UNCHANGED),
        report_of(),
        report_of(ROTATED, key=dataclasses.replace(REVOKED, outcome=KeyOutcome.WAITING)),
        report_of(WouldRotate("changed by hand", drift=True), trigger="plan"),
        report_of(FAILED, trigger="plan", key=dataclasses.replace(REVOKED, outcome=KeyOutcome.DUE)),
    ],
    ids=["rotated", "unchanged", "nothing to do", "waiting", "plan", "failed plan"],
)
def test_ordinary_runs_and_plans_are_not_worth_telling(report: Report) -> None:
    assert not chat_message.is_worth_a_message(report)


def test_failed_target_is_told_with_its_error_its_remedy_and_where_to_look() -> None:
    assert slack(report_of(ROTATED, FAILED)) == [
        "*Rotator: 1 of 2 targets failed*",
        "`default/s1@m` failed: KubernetesForbiddenError: `kubectl said: forbidden` What to do: `Grant the verbs.`",
        WHERE,
    ]


def test_refused_run_is_told_with_its_error() -> None:
    assert slack(report_of(error=FAILED)) == [
        "*Rotator: the run was refused, or broke off*",
        "KubernetesForbiddenError: `kubectl said: forbidden` What to do: `Grant the verbs.`",
        WHERE,
    ]


def test_repaired_drift_is_told_with_what_was_found() -> None:
    assert slack(report_of(DRIFTED)) == [
        "*Rotator: 1 of 1 target had drifted and was repaired*",
        "`default/s0@m` had drifted: `the Secret was changed by hand`. It holds a new SAS, until 2026-07-01T16:00:00Z.",
        WHERE,
    ]


def test_what_was_done_to_the_account_keys_is_told() -> None:
    assert slack(report_of(UNCHANGED, key=REVOKED)) == [
        "*Rotator: revoke of account keys done*",
        "revoke, as `it leaked`: regenerated `key2, key1`; cut off `default/s0@m`",
        WHERE,
    ]


def test_unfinished_key_rotation_is_told_with_what_is_to_come_and_why() -> None:
    key = KeyReport("regenerate", KeyOutcome.UNFINISHED, "asked for", remaining=("key1",), failure=FAILED)
    assert slack(report_of(key=key))[1:3] == [
        "regenerate, as `asked for`: to come `key1`",
        "regenerate unfinished: KubernetesForbiddenError: `kubectl said: forbidden` What to do: `Grant the verbs.`",
    ]


def test_headline_tells_all_that_happened() -> None:
    headline, *_ = slack(report_of(FAILED, DRIFTED, DRIFTED, key=REVOKED))
    assert headline == (
        "*Rotator: 1 of 3 targets failed; 2 of 3 targets had drifted and were repaired; revoke of account keys done*"
    )


def test_whoever_asked_is_named() -> None:
    assert "asked for by `admin@bastion`." in slack(report_of(FAILED, asked_by="admin@bastion"))[-1]
    assert "asked for by `http`." in slack(report_of(FAILED, asked_by="", trigger="http"))[-1]


def test_teams_gets_an_adaptive_card_without_markdown() -> None:
    block = {"type": "TextRun", "weight": "Default"}
    assert chat_message.compose(report_of(FAILED), teams=True) == {
        "type": "message",
        "attachments": [
            {
                "contentType": "application/vnd.microsoft.card.adaptive",
                "content": {
                    "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                    "type": "AdaptiveCard",
                    "version": "1.4",
                    "body": [
                        {
                            "type": "RichTextBlock",
                            "inlines": [
                                {"type": "TextRun", "weight": "Bolder", "text": "Rotator: 1 of 1 target failed"}
                            ],
                        },
                        {
                            "type": "RichTextBlock",
                            "inlines": [
                                block
                                | {
                                    "text": "default/s0@m failed: KubernetesForbiddenError: kubectl said: forbidden "
                                    "What to do: Grant the verbs."
                                }
                            ],
                        },
                        {"type": "RichTextBlock", "inlines": [block | {"text": WHERE.replace("`", "")}]},
                    ],
                },
            }
        ],
    }


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("<!channel> look", "`&lt;!channel&gt; look`"),
        ("<@U024BE7LH>", "`&lt;@U024BE7LH&gt;`"),
        ("<https://evil.example|the portal>", "`&lt;https:\u2060//evil.example|the portal&gt;`"),
        ("see https://evil.example/a?b=c&d=e", "`see https:\u2060//evil.example/a?b=c&amp;d=e`"),
        ("` *bold* `", "`' *bold* '`"),
        ("```\n<!here>\n```", "`''' &lt;!here&gt; '''`"),
        ("&lt;!channel&gt;", "`&amp;lt;!channel&amp;gt;`"),
        ("first\r\n*Rotator: all is well*", "`first *Rotator: all is well*`"),
        ("a\x00b\x1b[31mc\u202ed\u200be\u2028f\ud800g", "`a b [31mc d e f g`"),
    ],
)
def test_hostile_words_stay_words_in_slack(words: str, shown: str) -> None:
    assert slack(failed(words))[1] == f"`default/s0@m` failed: ManifestRejectedError: {shown}"


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("[the portal](https://evil.example)", "[the portal](https://evil.example)"),
        ("<at>Everybody</at> **now**", "<at>Everybody</at> **now**"),
        ("first\n\n- second\u202e", "first - second"),
    ],
)
def test_hostile_words_stay_words_in_teams(words: str, shown: str) -> None:
    assert teams(failed(words))[1] == f"default/s0@m failed: ManifestRejectedError: {shown}"


@pytest.mark.parametrize("form", [slack, teams])
def test_secrets_are_masked_even_where_words_are_cut(form: Any) -> None:
    secret = SecretText("correct horse battery staple & more")
    report = failed(f"{'x' * 490} {secret.reveal()}")
    messages = [*form(report), *form(failed(f"refused ?{TOKEN}")), *form(report_of(FAILED, asked_by=secret.reveal()))]
    assert "correct" not in "\n".join(messages)
    assert "MDEyMzQ1" not in "\n".join(messages)
    assert "[secret]" in messages[1]


def test_long_words_are_cut() -> None:
    line = slack(failed("word " * 1000))[1]
    assert line.endswith("word word …`")
    assert 500 < len(line) < 600


@pytest.mark.parametrize("letter", ["x", "&", "\U0001f600", '"'])
def test_many_failures_fit_into_any_chat(letter: str) -> None:
    report = report_of(*[Failed("ManifestRejectedError", letter * 900, letter * 900)] * 100)
    assert len("\n".join(slack(report))) < 9000
    assert len(json.dumps(chat_message.compose(report, teams=True), ensure_ascii=False).encode()) < 21_000
    assert slack(report)[-1] == WHERE


def test_what_does_not_fit_is_counted() -> None:
    lines = slack(report_of(*[FAILED] * 100))
    assert lines[0] == "*Rotator: 100 of 100 targets failed*"
    assert lines[-2] == f"and {100 - (len(lines) - 3)} more"
    assert 10 < len(lines) < 40


def test_keys_are_told_however_much_failed() -> None:
    assert slack(report_of(*[FAILED] * 100, key=REVOKED))[1].startswith("revoke, as `it leaked`")


def test_one_failure_is_told_however_long_it_is() -> None:
    assert slack(report_of(Failed("ManifestRejectedError", "&" * 900, "&" * 900)))[1].startswith(
        "`default/s0@m` failed"
    )
